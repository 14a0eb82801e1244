"""Distillation terms against scikit-image, arithmetic and other ways of writing the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity as skimage_ssim
from torch import Tensor, nn
from torch.nn import functional as F

from autogc.errors import ConfigError
from autogc.losses import ADVERSARIAL
from autogc.losses.terms import (
    CURRENT,
    TEACHER,
    TERMS,
    Discriminator,
    Seen,
    class_divergence,
    gram,
    haar,
    high_bands,
    kernel_alignment,
    structural_similarity,
    total_variation,
)
from autogc.models import DISCRIMINATORS, Verdict, as_verdict


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def seen(**given: object) -> Seen:
    image = noise(2, 3, 16, 16)
    usual: dict[str, object] = {"image": image, "target": image, "taught": image, "source": image, "real": image}
    return Seen(**{**usual, **given})  # type: ignore[arg-type]


# SSIM


@pytest.mark.parametrize("size", [(11, 11), (24, 17), (40, 64)])
def test_ssim_is_that_of_scikit_image(size: tuple[int, int]) -> None:
    first = noise(2, 3, *size)
    second = (0.7 * first + 0.3 * noise(2, 3, *size, seed=1)).clamp(-1, 1)
    expected = [
        skimage_ssim(
            (one.numpy().astype(np.float64) + 1) / 2,
            (other.numpy().astype(np.float64) + 1) / 2,
            gaussian_weights=True,
            sigma=1.5,
            win_size=11,
            use_sample_covariance=False,
            data_range=1.0,
            channel_axis=0,
            full=True,
        )[1][:, 5 : size[0] - 5, 5 : size[1] - 5].mean()
        for one, other in zip(first, second, strict=True)
    ]
    np.testing.assert_allclose(structural_similarity(first, second).numpy(), expected, atol=2e-5)
    assert float(TERMS.build("ssim")(seen(image=first, target=second))) == pytest.approx(1 - np.mean(expected), abs=2e-5)


def test_ssim_is_symmetric_and_knows_small_images() -> None:
    first, second = noise(1, 3, 16, 16), noise(1, 3, 16, 16, seed=1)
    torch.testing.assert_close(structural_similarity(first, second), structural_similarity(second, first))
    with pytest.raises(ConfigError, match="at least 11 x 11, these are 10 x 16"):
        structural_similarity(first[..., :10, :], second[..., :10, :])
    with pytest.raises(ValueError, match="cannot be compared"):
        structural_similarity(first, second[..., 1:])


# Total variation


def test_total_variation_is_the_sum_over_neighbours() -> None:
    image = torch.tensor([[[[0.0, 1.0], [3.0, 0.5]]], [[[2.0, 2.0], [2.0, 2.0]]]])
    # Across: |1 - 0| + |0.5 - 3|; down: |3 - 0| + |0.5 - 1|; the other image has none.
    assert float(total_variation(image)) == pytest.approx((1 + 2.5 + 3 + 0.5) / 2)
    big = noise(1, 2, 5, 7)
    written = sum(
        abs(float(big[0, c, y, x] - big[0, c, y - dy, x - dx]))
        for dy, dx in ((0, 1), (1, 0))
        for c in range(2)
        for y in range(dy, 5)
        for x in range(dx, 7)
    )
    assert float(total_variation(big)) == pytest.approx(written, rel=1e-5)
    torch.testing.assert_close(total_variation(big + 3), total_variation(big))
    torch.testing.assert_close(total_variation(big.flip(-1)), total_variation(big))


# Wavelets


def test_haar_by_arithmetic() -> None:
    low, high = haar(torch.tensor([[[[1.0, 2.0], [4.0, 8.0]]]]))
    assert low.flatten().tolist() == [7.5]
    # Across: (1 - 2 + 4 - 8) / 2, down: (1 + 2 - 4 - 8) / 2, both: (1 - 2 - 4 + 8) / 2.
    assert high.flatten().tolist() == [-2.5, -4.5, 1.5]


def test_haar_is_orthonormal_and_blind_to_a_constant() -> None:
    image = noise(2, 3, 8, 12)
    low, high = haar(image)
    torch.testing.assert_close(low.square().sum() + high.square().sum(), image.square().sum())
    for before, after in zip(high_bands(image, 2), high_bands(image + 0.4, 2), strict=True):
        torch.testing.assert_close(before, after, atol=1e-6, rtol=0)
    matrix = torch.tensor([[1.0, 1.0], [1.0, -1.0]]) / 2**0.5
    blocks = F.unfold(image[:, :1], 2, stride=2).view(2, 2, 2, 4, 6)
    expected = torch.einsum("ia,nabyx,jb->nijyx", matrix, blocks, matrix)
    torch.testing.assert_close(low[:, 0], expected[:, 0, 0])
    torch.testing.assert_close(high[:, :, 0], torch.stack([expected[:, 0, 1], expected[:, 1, 0], expected[:, 1, 1]], 1))


def test_the_wavelet_term_sums_the_levels() -> None:
    image, target = noise(2, 3, 8, 8), noise(2, 3, 8, 8, seed=1)
    first, second = haar(image), haar(target)
    expected = (first[1] - second[1]).abs().mean() + (haar(first[0])[1] - haar(second[0])[1]).abs().mean()
    torch.testing.assert_close(TERMS.build("wavelet", {"levels": 2})(seen(image=image, target=target)), expected)
    assert float(TERMS.build("wavelet")(seen(image=target + 0.3, target=target))) == pytest.approx(0, abs=1e-6)
    odd = haar(noise(1, 1, 5, 7))
    assert odd[0].shape == (1, 1, 3, 4) and odd[1].shape == (1, 3, 1, 3, 4)
    with pytest.raises(ConfigError, match="at least 8 x 8: lower levels"):
        TERMS.build("wavelet", {"levels": 3})(seen(image=image[..., :7], target=target[..., :7]))
    with pytest.raises(ConfigError, match="at least one level"):
        TERMS.build("wavelet", {"levels": 0})


# Gram matrices


def test_a_gram_matrix_is_the_mean_product_of_two_channels() -> None:
    features = noise(2, 3, 4, 5)
    expected = torch.einsum("nihw,njhw->nij", features, features) / (3 * 4 * 5)
    torch.testing.assert_close(gram(features), expected)
    mixed = features.flatten(2)[..., torch.randperm(20, generator=torch.Generator().manual_seed(0))].view_as(features)
    torch.testing.assert_close(gram(mixed), gram(features))


def test_gram_style_of_the_perceptual_network_and_of_the_generators() -> None:
    class Doubling(nn.Module):
        def maps(self, images: Tensor) -> list[Tensor]:
            return [2 * images, images[:, :1]]

    image, target = noise(2, 3, 6, 6), noise(2, 3, 6, 6, seed=1)
    given = seen(image=image, target=target, perceptual=Doubling())
    parts = [gram(2 * image) - gram(2 * target), gram(image[:, :1]) - gram(target[:, :1])]
    torch.testing.assert_close(TERMS.build("gram_style")(given), sum(part.abs().mean() for part in parts))
    torch.testing.assert_close(TERMS.build("gram_style", {"distance": "mse"})(given), sum(part.square().mean() for part in parts))
    mapped = replace(given, mapped=(image,), teacher_features=(target,), features=(image[:, :1],))
    expected = (gram(image) - gram(target)).abs().mean()
    torch.testing.assert_close(TERMS.build("gram_style", {"of": "generator"})(mapped), expected)
    with pytest.raises(ConfigError, match="gives its feature maps; vgg19 does"):
        TERMS.build("gram_style")(replace(given, perceptual=nn.Identity()))
    with pytest.raises(ConfigError, match="of must be one of perceptual, generator, got 'both'"):
        TERMS.build("gram_style", {"of": "both"})


# Kernel alignment


def test_kernel_alignment_is_that_of_the_two_gram_matrices() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 20, 6))
    y = y[:, :4]
    first, second = x @ x.T, y @ y.T
    expected = (first * second).sum() / (np.linalg.norm(first) * np.linalg.norm(second))
    found = kernel_alignment(torch.tensor(x), torch.tensor(y))
    assert float(found) == pytest.approx(expected)
    # Fewer samples than channels: the same number by the smaller matrices.
    few = kernel_alignment(torch.tensor(x[:3]), torch.tensor(y[:3]))
    frobenius = np.linalg.norm(y[:3].T @ x[:3]) ** 2 / (np.linalg.norm(x[:3].T @ x[:3]) * np.linalg.norm(y[:3].T @ y[:3]))
    assert float(few) == pytest.approx(frobenius)


def test_rotations_and_scales_change_no_alignment() -> None:
    x = noise(30, 5).double()
    rotation = torch.linalg.qr(noise(5, 5, seed=1).double()).Q
    assert float(kernel_alignment(x, 7 * x @ rotation)) == pytest.approx(1)
    other = noise(30, 8, seed=2).double()
    torch.testing.assert_close(kernel_alignment(x @ rotation, other), kernel_alignment(x, other))
    assert 0 <= float(kernel_alignment(x, other)) < 1
    torch.testing.assert_close(kernel_alignment(x, other), kernel_alignment(other, x))


def test_the_alignment_term_takes_positions_or_images_as_samples() -> None:
    mine, theirs = noise(3, 2, 4, 4), noise(3, 5, 4, 4, seed=1)
    given = seen(features=(mine,), teacher_features=(theirs,))
    flat = [one.permute(0, 2, 3, 1).reshape(48, -1) for one in (mine, theirs)]
    torch.testing.assert_close(TERMS.build("kernel_alignment")(given), 1 - kernel_alignment(*flat))
    images = [one.reshape(3, -1) for one in (mine, theirs)]
    torch.testing.assert_close(TERMS.build("kernel_alignment", {"rows": "images"})(given), 1 - kernel_alignment(*images))
    one = seen(features=(mine[:1],), teacher_features=(theirs[:1],))
    assert float(TERMS.build("kernel_alignment", {"rows": "images"})(one)) == pytest.approx(0, abs=1e-6)
    huge = seen(features=(1e12 * mine,), teacher_features=(1e-12 * theirs,))
    torch.testing.assert_close(TERMS.build("kernel_alignment")(huge), TERMS.build("kernel_alignment")(given), rtol=1e-4, atol=0)


def test_channels_are_compared_by_their_means() -> None:
    mine, theirs = noise(2, 3, 4, 4), noise(2, 3, 4, 4, seed=1)
    given = seen(mapped=(mine,), teacher_features=(theirs,))
    expected = ((mine.sum((2, 3)) - theirs.sum((2, 3))) / 16).square().sum() / 6
    torch.testing.assert_close(TERMS.build("channel_distillation")(given), expected)
    moved = seen(mapped=(theirs.flip(-1),), teacher_features=(theirs,))
    assert float(TERMS.build("channel_distillation")(moved)) == pytest.approx(0, abs=1e-12)


# The discriminator


class Critic(nn.Module):
    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        torch.manual_seed(channels)
        self.first = nn.Conv2d(channels, 4, 3)
        self.bend = nn.LeakyReLU(0.2)
        self.last = nn.Conv2d(4, 1, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.bend(self.first(x)))


def asked(net: nn.Module, *, source: Tensor | None = None, adversarial: str = "hinge", channels: int = 3) -> dict[str, Discriminator]:
    one = Discriminator(
        net=net,
        seen=(lambda x: x) if source is None else (lambda x: torch.cat([source, x], 1)),
        judge=lambda x: as_verdict(net(x)),
        adversarial=ADVERSARIAL.build(adversarial),
        channels=channels,
    )
    return {TEACHER: one, CURRENT: one}


def test_discriminator_features_are_its_activations_of_what_it_sees() -> None:
    net, source = Critic(6), noise(2, 3, 9, 9)
    image, taught = noise(2, 3, 9, 9, seed=1), noise(2, 3, 9, 9, seed=2)
    given = seen(image=image, taught=taught, source=source, discriminators=asked(net, source=source, channels=6))
    mine, theirs = (net.bend(net.first(torch.cat([source, one], 1))) for one in (image, taught))
    torch.testing.assert_close(TERMS.build("discriminator_features")(given), (mine - theirs).abs().mean())
    texture = TERMS.build("discriminator_features", {"distance": "gram"})(given)
    torch.testing.assert_close(texture, (gram(mine) - gram(theirs)).abs().mean())
    named = TERMS.build("discriminator_features", {"layers": ["first", "last"]})(given)
    first, last = ((part(torch.cat([source, image], 1)) - part(torch.cat([source, taught], 1))).abs().mean() for part in (net.first, net))
    torch.testing.assert_close(named, first + last)
    with pytest.raises(ConfigError, match="no module 'fisrt': did you mean 'first'"):
        TERMS.build("discriminator_features", {"layers": ["fisrt"]})(given)


@pytest.mark.parametrize("name", sorted(DISCRIMINATORS))
def test_every_discriminator_has_maps(name: str) -> None:
    torch.manual_seed(0)
    net = DISCRIMINATORS.build(name, {"base_channels": 4}, in_channels=3, offered={"height": 64, "width": 64, "domains": 2}).eval()
    given = seen(image=noise(2, 3, 64, 64), taught=noise(2, 3, 64, 64, seed=1), discriminators=asked(net))
    assert float(TERMS.build("discriminator_features")(given).detach()) > 0


def test_features_of_a_verdict_come_first() -> None:
    class Telling(Critic):
        def forward(self, x: Tensor) -> Verdict:
            return Verdict((self.last(self.first(x)),), ((3 * self.first(x),),))

    net = Telling()
    given = seen(image=noise(2, 3, 9, 9), taught=noise(2, 3, 9, 9, seed=1), discriminators=asked(net))
    expected = 3 * (net.first(given.image) - net.first(given.taught)).abs().mean()
    torch.testing.assert_close(TERMS.build("discriminator_features")(given), expected)


def test_generators_features_are_shown_through_one_map() -> None:
    net, mine, theirs = Critic(), noise(2, 5, 9, 9), noise(2, 5, 9, 9, seed=1)
    given = seen(mapped=(mine,), teacher_features=(theirs,), discriminators=asked(net))
    term = TERMS.build("discriminator_cooperated")
    weight = term._map(3, theirs)  # type: ignore[attr-defined]
    torch.testing.assert_close(weight.flatten(1) @ weight.flatten(1).T, torch.eye(3))
    first, second = (net.bend(net.first(torch.einsum("dc,nchw->ndhw", weight[..., 0, 0], one))) for one in (mine, theirs))
    torch.testing.assert_close(term(given), (first - second).abs().mean())
    torch.testing.assert_close(TERMS.build("discriminator_cooperated")(given), term(given))


def test_consistency_by_hand() -> None:
    net, image, taught, real = Critic(), noise(2, 3, 9, 9), noise(2, 3, 9, 9, seed=1), noise(2, 3, 9, 9, seed=2)
    given = seen(image=image, taught=taught, real=real, truth=real, discriminators=asked(net))
    generator = [-net(one).mean() for one in (taught, image)]
    pixels = [(one - real).abs().mean() for one in (taught, image)]
    expected = (generator[0] - generator[1]).abs() / generator[0].abs() + 10 * (pixels[0] - pixels[1]).abs() / pixels[0]
    torch.testing.assert_close(TERMS.build("generator_consistency", {"floor": 1e-6})(given), expected)
    without = replace(given, truth=None)
    only = TERMS.build("generator_consistency", {"floor": 1e-6})(without)
    torch.testing.assert_close(only, (generator[0] - generator[1]).abs() / generator[0].abs())
    losses = [F.relu(1 - net(real)).mean() + F.relu(1 + net(one)).mean() for one in (taught, image)]
    torch.testing.assert_close(TERMS.build("discriminator_consistency")(given), (losses[0] - losses[1]).abs() / losses[0])


def test_consistency_of_the_penalty_by_hand() -> None:
    image, taught, real = noise(2, 3, 5, 5), noise(2, 3, 5, 5, seed=1), noise(2, 3, 5, 5, seed=2)

    class Bowl(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.square().flatten(1).sum(1, keepdim=True) / 2

    given = seen(image=image, taught=taught, real=real, discriminators=asked(Bowl(), adversarial="wgan_gp"))
    torch.manual_seed(5)
    found = TERMS.build("discriminator_consistency")(given)
    torch.manual_seed(5)
    share = torch.rand(2, 1, 1, 1)
    # The gradient of the bowl is the point itself.
    of = [((share * real + (1 - share) * one).flatten(1).norm(dim=1) - 1).square().mean() for one in (taught, image)]
    losses = [Bowl()(one).mean() - Bowl()(real).mean() for one in (taught, image)]
    expected = (losses[0] - losses[1]).abs() / losses[0].abs() + 10 * (of[0] - of[1]).abs() / of[0]
    torch.testing.assert_close(found, expected)


def test_a_loss_of_zero_is_divided_by_the_floor() -> None:
    class Sure(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 10 * x.mean((1, 2, 3), keepdim=True)

    real, taught, image = torch.ones(1, 3, 2, 2), -torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    given = seen(image=image, taught=taught, real=real, discriminators=asked(Sure()))
    assert float(TERMS.build("discriminator_consistency", {"floor": 0.5})(given)) == pytest.approx(1 / 0.5)


# Domains and the way back


def test_class_divergence_is_kullback_and_leibler() -> None:
    mine, theirs = noise(4, 3).double(), noise(4, 3, seed=1).double()
    p, q = theirs.softmax(1), mine.softmax(1)
    torch.testing.assert_close(class_divergence(mine, theirs, exclusive=True), (p * (p / q).log()).sum() / 4)
    p, q = theirs.sigmoid(), mine.sigmoid()
    expected = (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).sum() / 4
    torch.testing.assert_close(class_divergence(mine, theirs), expected)
    assert float(class_divergence(theirs, theirs)) == pytest.approx(0, abs=1e-12)


def test_classes_need_a_discriminator_that_tells_them() -> None:
    with pytest.raises(ConfigError, match="tells domains apart; stargan does"):
        TERMS.build("class_agreement")(seen(discriminators=asked(Critic())))


def test_the_cycle_leads_back_to_the_input() -> None:
    image, source = noise(2, 3, 8, 8), noise(2, 3, 8, 8, seed=1)
    given = seen(image=image, source=source, back=lambda x: x / 2)
    torch.testing.assert_close(TERMS.build("cycle")(given), (image / 2 - source).abs().mean())


def test_an_unknown_discriminator_is_refused() -> None:
    with pytest.raises(ConfigError, match="discriminator must be one of teacher, current, got 'other'"):
        TERMS.build("discriminator_features", {"discriminator": "other"})
