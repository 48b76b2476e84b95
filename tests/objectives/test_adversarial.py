import pytest
import torch

from whysaid.models.inpainting.generator import Inpainted
from whysaid.objectives.adversarial import Adversarial


def test_hinge_by_hand() -> None:
    real, fake = torch.tensor([[2.0, 0.5], [-1.0, 1.0]]), torch.tensor([[-3.0, -0.5], [0.0, 2.0]])
    loss, logs = Adversarial().discriminator(real, fake)
    assert float(loss) == pytest.approx((0 + 0.5 + 2 + 0) / 4 + (0 + 0.5 + 1 + 3) / 4)
    assert float(logs["D_real"]) == pytest.approx(0.625) and float(logs["D_fake"]) == pytest.approx(-0.375)


def test_a_judge_that_is_sure_learns_nothing_more() -> None:
    real, fake = torch.tensor([[1.0, 4.0]], requires_grad=True), torch.tensor([[-1.0, -9.0]], requires_grad=True)
    loss, _ = Adversarial().discriminator(real, fake)
    loss.backward()
    assert float(loss.detach()) == 0 and not real.grad.any() and not fake.grad.any()  # type: ignore[union-attr]


def example() -> tuple[Inpainted, torch.Tensor, torch.Tensor]:
    images = torch.zeros(2, 3, 4, 4)
    coarse, fine = torch.full_like(images, 0.5), torch.zeros_like(images)
    fine[0] = -1.0
    return Inpainted(coarse, fine, fine), images, torch.tensor([[1.0, 3.0], [-2.0, 0.0]])


@pytest.mark.parametrize(
    ("weights", "expected"), [((1, 1, 1), 0.5 + 0.5 - 0.5), ((2, 0, 0), 1.0), ((0, 3, 0), 1.5), ((0, 0, 0.1), -0.05)]
)
def test_generator_loss_by_hand(weights: tuple[float, float, float], expected: float) -> None:
    loss, logs = Adversarial(*weights).generator(*example())
    assert float(loss) == pytest.approx(expected)
    assert {name: float(value) for name, value in logs.items()} == pytest.approx(
        {"G_loss": expected, "G_coarse": 0.5, "G_fine": 0.5, "G_gan": -0.5}
    )


def test_l1_is_over_the_whole_image() -> None:
    """Not over the hole alone, which is not even given."""
    inpainted, images, scores = example()
    fine = torch.zeros_like(images)
    fine[..., 0, 0] = 1.0
    loss, _ = Adversarial(0, 1, 0).generator(inpainted._replace(fine=fine), images, scores)
    assert float(loss) == pytest.approx(1 / 16)


def test_what_is_logged_keeps_no_graph() -> None:
    inpainted, images, scores = example()
    _, logs = Adversarial().generator(inpainted, images, scores.requires_grad_(True))
    _, more = Adversarial().discriminator(scores, scores)
    assert not any(value.requires_grad for value in (logs | more).values())
