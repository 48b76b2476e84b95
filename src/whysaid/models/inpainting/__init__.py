"""The inpainting GAN of Yu et al. 2019 (DeepFill v2): gated convolutions, contextual attention, SN-PatchGAN."""
