"""What the inpainting GAN is trained for: hinge losses and L1 (Yu et al. 2019, Eq. 4 and §3.4).

B batch, N scores of an image, H, W pixels.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from whysaid.models.inpainting.generator import Inpainted
from whysaid.objectives.objective import Logs


@dataclass
class Adversarial:
    """Weights of the generator's loss; each term is a mean, the L1s over the whole image in [−1, 1].

    Attributes:
        coarse: of |coarse − truth|; published: 1.
        fine: of |fine − truth|; published: 1.
        gan: of −D(completed); published: 1, and 0.1 is steadier on small data.
    """

    coarse: float = 1.0
    fine: float = 1.0
    gan: float = 1.0

    def generator(self, inpainted: Inpainted, images: Tensor, scores: Tensor) -> tuple[Tensor, Logs]:
        """Loss of the generator.

        Args:
            inpainted: both networks' images (B, 3, H, W).
            images: the truth (B, 3, H, W).
            scores: (B, N), the discriminator's of the completed images.

        Returns:
            The loss () and scalars to log.
        """
        coarse = F.l1_loss(inpainted.coarse, images)
        fine = F.l1_loss(inpainted.fine, images)
        gan = -scores.mean()
        loss = self.coarse * coarse + self.fine * fine + self.gan * gan
        logs = {"G_loss": loss, "G_coarse": coarse, "G_fine": fine, "G_gan": gan}
        return loss, {name: value.detach() for name, value in logs.items()}

    def discriminator(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Logs]:
        """Hinge loss of the discriminator: mean max(0, 1 − D(real)) + mean max(0, 1 + D(fake)).

        Args:
            real: (B, N), its scores of real images.
            fake: (B, N), its scores of completed ones.

        Returns:
            The loss () and scalars to log.
        """
        loss = F.relu(1 - real).mean() + F.relu(1 + fake).mean()
        logs = {"D_loss": loss, "D_real": real.mean(), "D_fake": fake.mean()}
        return loss, {name: value.detach() for name, value in logs.items()}
