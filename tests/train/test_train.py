"""The training room, with real torch on tiny networks and rendered data."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'train')")

import onnxruntime  # noqa: E402
from onnx import numpy_helper  # noqa: E402

from edge_segnet.core.classes import CAMVID_11  # noqa: E402
from edge_segnet.core.stats import class_weights  # noqa: E402
from edge_segnet.core.types import Image  # noqa: E402
from edge_segnet.data.pairs import find_pairs  # noqa: E402
from edge_segnet.graph import card as cards  # noqa: E402
from edge_segnet.graph import segnet  # noqa: E402
from edge_segnet.graph.build import build_model  # noqa: E402
from edge_segnet.graph.lower import lower  # noqa: E402
from edge_segnet.graph.model_files import find_model  # noqa: E402
from edge_segnet.pictures.files import write_image  # noqa: E402
from edge_segnet.street import Street  # noqa: E402
from edge_segnet.train.augment import Recipe, View, paste, spoil, warp  # noqa: E402
from edge_segnet.train.data import Drawing, Pairs, Stream, count_classes, rare_classes  # noqa: E402
from edge_segnet.train.export import export  # noqa: E402
from edge_segnet.train.loss import lovasz_softmax  # noqa: E402
from edge_segnet.train.model import SegNet, normalise  # noqa: E402
from edge_segnet.train.weather import WEATHER  # noqa: E402
from edge_segnet.train.weights import fold, load_encoder, unfold  # noqa: E402
from tests.train.trainer import Train, trainer  # noqa: E402

SIZE = (96, 64)


PROGRAM = (sys.executable, "-m", "edge_segnet")


@pytest.fixture(scope="module")
def train() -> Iterator[Train]:
    """The real command, for who sends it no signals."""
    with trainer() as made:
        yield made


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Twelve rendered pictures and their labels."""
    root = tmp_path_factory.mktemp("street")
    scene = Street(SIZE, seed=5)
    for number in range(12):
        image, labels = scene.render(25 * number)
        write_image(root / "images" / f"{number:02d}.png", image)
        write_image(root / "labels" / f"{number:02d}.png", labels)
    return root / "images", root / "labels"


def _randomise(network: SegNet) -> None:
    """Give BatchNorm statistics that folding could get wrong."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 2.0, generator=generator)
            with torch.no_grad():
                module.weight.uniform_(0.7, 1.3, generator=generator)
                module.bias.normal_(0, 0.2, generator=generator)


@pytest.mark.parametrize("arch", list(segnet.ARCHITECTURES))
@pytest.mark.parametrize("size", [(64, 48), (75, 53)], ids=["even", "odd"])
def test_exported_labels_agree_with_torch(arch: str, size: tuple[int, int]) -> None:
    torch.manual_seed(1)
    network = SegNet(segnet.ARCHITECTURES[arch](11))
    _randomise(network)
    network.eval()
    onnx_model = export(network, CAMVID_11, size, licence="", provenance={})
    session = onnxruntime.InferenceSession(lower(onnx_model.proto, "onnxruntime").model.SerializeToString())
    frame = Street(size).render(7)[0]
    (logits,) = session.run(["logits"], {"frame": frame[None]})
    batch = torch.from_numpy(frame.transpose(2, 0, 1).copy()).float()[None]
    with torch.no_grad():
        expected = network(normalise(batch, network.architecture)).numpy()
    # Rounding may move a pooled maximum to its equal neighbour. With random weights one such move deep in a small net
    # shows in a whole patch; the trained weights below are held to more.
    assert (np.abs(logits - expected) < 2e-3 * np.abs(expected).max()).mean() > 0.95
    top = np.sort(expected[0], axis=0)
    clear = top[-1] - top[-2] > 1e-3 * np.ptp(expected)
    assert clear.mean() > 0.5
    assert (logits.argmax(1) == expected.argmax(1))[0][clear].mean() > 0.99


def test_torch_and_the_shipped_model_give_the_same_labels() -> None:
    """The file's weights in torch (``unfold``), back into a file (``export``): three times the same labels."""
    shipped = cards.load("segnet-lite")
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in shipped.proto.graph.initializer}
    scene = Street(shipped.card.size, seed=4)
    frames = [scene.render(200 * number)[0] for number in range(4)]
    batches = [torch.from_numpy(frame.transpose(2, 0, 1).copy()).float()[None] for frame in frames]
    network = SegNet(segnet.segnet_lite(11))
    unfold(network, arrays, batches)
    network.eval()
    again = export(network, CAMVID_11, shipped.card.size, licence="", provenance={})
    sessions = [
        onnxruntime.InferenceSession(lower(model, "onnxruntime", head="labels").model.SerializeToString())
        for model in (shipped.proto, again.proto)
    ]
    for frame, batch in zip(frames, batches, strict=True):
        with torch.no_grad():
            expected = network(normalise(batch, network.architecture)).argmax(1).numpy()
        for session in sessions:
            (labels,) = session.run(["labels"], {"frame": frame[None]})
            assert (labels == expected).mean() > 0.9995


def test_init_from_a_model_file_is_the_same_function(folders: tuple[Path, Path]) -> None:
    torch.manual_seed(2)
    first = SegNet(segnet.segnet_lite(11))
    _randomise(first)
    first.eval()
    second = SegNet(segnet.segnet_lite(11))
    pairs = Pairs(find_pairs(*folders), 11, 11)
    batch = torch.from_numpy(
        np.stack([pairs.read(index)[0] for index in range(4)]).transpose(0, 3, 1, 2).copy()
    ).float()
    unfold(second, fold(first), [batch])
    second.eval()
    with torch.no_grad():
        inputs = normalise(batch, first.architecture)
        before, after = first(inputs), second(inputs)
        assert ((after - before).abs() < 1e-3 * before.abs().max()).float().mean() > 0.98
        # Training mode normalises by the batch itself, which is what the statistics were measured on.
        second.train()
        training = second(inputs)
    agreement = (training.argmax(1) == before.argmax(1)).float().mean()
    assert agreement > 0.9


def test_vgg16_weights_are_found_by_order_of_execution(tmp_path: Path) -> None:
    torch.manual_seed(3)
    source, target = SegNet(segnet.segnet(11)), SegNet(segnet.segnet(11))
    model = build_model(source.architecture, fold(source), (64, 64))
    backwards = list(model.graph.initializer)[::-1]
    del model.graph.initializer[:]
    model.graph.initializer.extend(backwards)
    (tmp_path / "vgg.onnx").write_bytes(model.SerializeToString())
    assert load_encoder(target, tmp_path / "vgg.onnx") == 13
    for name in ("conv1_1", "conv3_2", "conv5_3"):
        # A fresh BatchNorm divides by sqrt(1 + eps), which folding multiplies in.
        torch.testing.assert_close(target.block(name).conv.weight, source.block(name).conv.weight, rtol=1e-4, atol=0)
    with pytest.raises(Exception, match=r"conv1_1\.conv\.weight needs"):
        load_encoder(target, find_model("segnet-lite"))


def test_fold_and_build_refuse_weights_of_another_network() -> None:
    arrays = fold(SegNet(segnet.segnet_lite(11)))
    with pytest.raises(Exception, match=r"weight classifier.weight has shape \[44, 32, 3, 3\], the network needs \[48"):
        build_model(segnet.segnet_lite(12), arrays, SIZE)


def test_stream_is_random_access_and_reproducible(folders: tuple[Path, Path]) -> None:
    def stream() -> Stream:
        pairs = Pairs(find_pairs(*folders), 11, 11)
        return Stream(pairs, Drawing(View(SIZE, (64, 32)), 11, 3, 0.5, Recipe(), [2, 6, 9]))

    one, two = stream(), stream()
    forwards = [one[index] for index in range(6)]
    backwards = [two[index] for index in reversed(range(6))][::-1]
    for (image, labels), (again, labels_again) in zip(forwards, backwards, strict=True):
        assert image.shape == (3, 32, 64)
        assert torch.equal(image, again)
        assert torch.equal(labels, labels_again)
        assert int(labels.max()) <= 11


def test_decoded_pairs_are_one_file_in_memory(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pairs, plain = (Pairs(find_pairs(*folders), 11, 11) for _ in range(2))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    pairs.decode()
    for index in range(len(pairs)):
        for decoded, read in zip(pairs.read(index), plain.read(index), strict=True):
            assert np.array_equal(decoded, read)
    mapped = pairs.read(0)[0]
    assert not mapped.flags.owndata and not mapped.flags.writeable
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, limits[1]))
    try:
        plain.decode()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "decoded again and again" in caplog.text
    assert np.array_equal(plain.read(1)[1], pairs.read(1)[1])


def test_augmentation_keeps_picture_and_labels_together() -> None:
    labels = np.zeros((60, 80), np.uint8)
    labels[20:40, 30:60] = 3
    image = np.where(labels[..., None] == 3, 220, 20).astype(np.uint8).repeat(3, axis=2)
    plain = Recipe(gamma=(1.0, 1.0), brightness=(1.0, 1.0), channel_gain=0.0, saturation=(1.0, 1.0), weather=0.0)
    rng = np.random.default_rng(0)
    for _ in range(30):
        seen, ids = warp(image, labels, View((80, 60), (64, 48)), 11, rng, plain)
        seen = spoil(seen, rng, plain)
        inside = ids != 11
        bright = seen.mean(axis=2) > 120
        # The rim is interpolated, and blur and noise widen it.
        assert ((ids == 3) == bright)[inside].mean() > 0.9


@pytest.mark.parametrize(("share", "upper"), [(0.0, 3), (1.0, 0)])
def test_a_camera_may_hang_upside_down(share: float, upper: int) -> None:
    labels = np.zeros((60, 80), np.uint8)
    labels[:30] = 3
    image = labels[..., None].repeat(3, axis=2) * 50
    recipe = Recipe(scale=(1.0, 1.0), rotation_deg=0.0, rare_crop=0.0, upside_down=share)
    seen, ids = warp(image, labels, View((80, 60), (80, 60)), 11, np.random.default_rng(0), recipe)
    assert (ids[2:28, 2:-2] == upper).all() and (seen[2:28, 2:-2] == upper * 50).all()


def test_rare_things_are_pasted_with_their_labels() -> None:
    image, labels = np.zeros((20, 30, 3), np.uint8), np.zeros((20, 30), np.uint8)
    other = np.full((20, 30, 3), 200, np.uint8), np.full((20, 30), 3, np.uint8)
    other[1][5:10, 5:10] = 9
    other[1][12:14] = 2
    paste(image, labels, other, [7], np.random.default_rng(0))
    assert not image.any() and not labels.any()
    seen = set()
    for seed in range(20):
        mixed, ids = image.copy(), labels.copy()
        paste(mixed, ids, other, [2, 7, 9], np.random.default_rng(seed))
        seen |= {tuple(np.unique(ids))}
        assert np.array_equal(mixed[..., 0] == 200, ids > 0) and 3 not in ids
    assert seen == {(0, 2), (0, 9), (0, 2, 9)}


@pytest.mark.parametrize("change", WEATHER, ids=lambda change: change.__name__)
def test_weather_changes_a_picture_but_not_beyond_recognition(change: Callable[..., Image]) -> None:
    image = Street(SIZE, seed=5).render(40)[0]
    for seed in range(8):
        spoiled = change(image.copy(), np.random.default_rng(seed))
        assert spoiled.shape == image.shape and spoiled.dtype == np.uint8
        assert not np.array_equal(spoiled, image)
        assert np.corrcoef(spoiled.ravel(), image.ravel())[0, 1] > 0.3


def test_rare_classes_are_the_rarer_half_of_those_that_occur() -> None:
    assert rare_classes(np.array([100, 5, 0, 50, 1])) == [4]
    assert rare_classes(np.array([100, 5, 20, 50, 1])) == [1, 4]


def test_class_weights_follow_median_frequency() -> None:
    pixels, frames = np.array([800, 150, 50, 0]), np.array([1000, 1000, 500, 0])
    weights = class_weights(pixels, frames, 1.0)
    np.testing.assert_allclose(weights, [0.15 / 0.8, 1.0, 0.15 / 0.1, 0.0], rtol=1e-6)
    np.testing.assert_allclose(class_weights(pixels, frames, 0.5), np.sqrt(weights), rtol=1e-6)


def test_counting_classes(folders: tuple[Path, Path]) -> None:
    pairs = Pairs(find_pairs(*folders), 11, 11)
    pixels, frames = count_classes(pairs, 11)
    assert pixels.sum() <= 12 * SIZE[0] * SIZE[1]
    assert (frames >= pixels).all()


def test_lovasz_is_the_jaccard_loss_at_the_corners() -> None:
    """On hard predictions the extension equals 1 - IoU (the paper's definition of an extension)."""
    truth = torch.tensor([[[0, 0, 1, 1, 1, 0]]])
    guess = torch.tensor([[[0, 1, 1, 1, 0, 0]]])
    logits = torch.nn.functional.one_hot(guess, 2).permute(0, 3, 1, 2).float() * 200 - 100
    expected = 1 - np.mean([2 / 4, 2 / 4])
    assert float(lovasz_softmax(logits, truth)) == pytest.approx(expected, abs=1e-5)


def _train(out: Path, folders: tuple[Path, Path], *more: str) -> list[str]:
    images, labels = map(str, folders)
    command = ["train", "-o", str(out), "--size", "96x64", "--batch", "4"]
    data = ["--images", images, "--labels", labels, "--val-images", images, "--val-labels", labels]
    return [*command, *data, "--device", "cpu", *more]


def test_train_learns_and_can_be_continued(tmp_path: Path, folders: tuple[Path, Path], train: Train) -> None:
    out = tmp_path / "model.onnx"
    first = _train(out, folders, "--epochs", "12", "--json", str(tmp_path / "first.json"), "--synthetic", "0.25")
    done = train(first)
    assert done.code == 0, done.err
    history = json.loads((tmp_path / "first.json").read_text())["history"]
    assert history[-1]["validation"]["global_accuracy"] > history[0]["validation"]["global_accuracy"]
    assert out.with_suffix(".curves.png").stat().st_size > 5000
    onnx_model = cards.load(str(out))
    assert onnx_model.card.classes.names == CAMVID_11.names
    assert onnx_model.card.provenance["architecture"] == "segnet-lite"

    second = _train(tmp_path / "more.onnx", folders, "--epochs", "0.1", "--init", str(out), "--rate", "1e-5")
    done = train(second)
    assert done.code == 0, done.err
    before, after = (cards.load(str(path)).card.provenance["validation"] for path in (out, tmp_path / "more.onnx"))
    assert after["mean_iou"] == pytest.approx(before["mean_iou"], abs=0.05)


def test_train_goes_on_after_a_kill(tmp_path: Path, folders: tuple[Path, Path], train: Train) -> None:
    out = tmp_path / "model.onnx"
    command = _train(out, folders, "--epochs", "40")
    checkpoint = out.with_suffix(".ckpt")
    with subprocess.Popen([*PROGRAM, *command], stderr=subprocess.DEVNULL, start_new_session=True) as process:
        deadline = time.monotonic() + 120
        while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    assert checkpoint.exists()
    assert not out.exists()
    done = train(_train(out, folders, "--epochs", "0.5"))
    assert done.code == 0, done.err
    assert f"{checkpoint} is finished; a larger --minutes or --epochs goes on" in done.err
    assert out.exists()


def _stop(command: list[str], checkpoint: Path, number: int) -> subprocess.CompletedProcess[str]:
    """Let it train until there is a checkpoint, then send it a signal."""
    with subprocess.Popen([*PROGRAM, *command], stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        deadline = time.monotonic() + 120
        while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    return subprocess.CompletedProcess(command, process.returncode, "", said)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_says_how_to_go_on_and_can_be_finished(
    tmp_path: Path, folders: tuple[Path, Path], train: Train, number: int, code: int
) -> None:
    out = tmp_path / "model.onnx"
    checkpoint = out.with_suffix(".ckpt")
    stopped = _stop(_train(out, folders, "--epochs", "40"), checkpoint, number)
    assert stopped.returncode == code and not out.exists()
    assert f"the same command goes on from {checkpoint}" in stopped.stderr and "--finish" in stopped.stderr
    before = checkpoint.read_bytes()
    finish = _train(out, folders, "--epochs", "40", "--finish")
    done = train(finish)
    assert done.code == 0, done.err
    provenance = cards.load(str(out)).card.provenance
    assert "finishing" in done.err and provenance["steps"] > 0
    assert 0.0 < provenance["position"] < 1.0
    assert checkpoint.read_bytes() == before  # finishing takes no step
    more = _train(tmp_path / "more.onnx", folders, "--epochs", "0.5", "--init", str(out))
    done = train(more)
    assert f"at {100 * provenance['position']:.0f} % of the schedule" in done.err
    again = cards.load(str(tmp_path / "more.onnx")).card.provenance
    assert again["position"] == pytest.approx(1.0)
    none = _train(tmp_path / "other.onnx", folders, "--epochs", "40", "--finish")
    done = train(none)
    assert done.code == 2 and "--finish: there is no" in done.err


def test_another_training_does_not_go_on_from_a_checkpoint(
    tmp_path: Path, folders: tuple[Path, Path], train: Train
) -> None:
    """Other labels, another recipe: refused, and what was trained stays."""
    out = tmp_path / "model.onnx"
    assert train(_train(out, folders, "--epochs", "0.5")).code == 0
    kept = out.read_bytes()
    images, labels = tmp_path / "images", tmp_path / "labels"
    shutil.copytree(folders[0], images)
    shutil.copytree(folders[1], labels)
    same = train(_train(out, (images, labels), "--epochs", "0.5"))
    assert same.code == 0 and "is finished" in same.err  # the same data in another place
    write_image(labels / "00.png", np.zeros(SIZE[::-1], np.uint8))
    kept = out.read_bytes()
    other_labels = _train(out, (images, labels), "--epochs", "0.5")
    other_rate = _train(out, folders, "--epochs", "0.5", "--rate", "0.001")
    for command, word in (other_labels, "pictures"), (other_rate, "rate"):
        done = train(command)
        assert done.code == 2, done.err
        assert "belongs to another training" in done.err and word in done.err
        assert out.read_bytes() == kept


def test_a_drive_is_left_out_and_validated_on(tmp_path: Path, folders: tuple[Path, Path], train: Train) -> None:
    """The names tell drives apart."""
    images, labels = map(str, folders)
    data = ["--images", images, "--labels", labels, "--size", "96x64", "--batch", "4", "--device", "cpu"]
    command = ["train", "-o", str(tmp_path / "m.onnx"), *data, "--epochs", "0.5"]
    done = train([*command, "--leave-out", "1*.png"])
    assert done.code == 0, done.err
    assert "10 training and 2 validation pairs" in done.err and "the network waited for pictures" in done.err
    for pattern, what in ("x*", "none"), ("*", "all"):
        done = train([*command, "--leave-out", pattern])
        assert done.code == 2 and f"--leave-out {pattern}: fits {what} of the 12 pictures" in done.err


def test_a_budget_that_is_over_before_the_first_step(tmp_path: Path, folders: tuple[Path, Path], train: Train) -> None:
    out = tmp_path / "model.onnx"
    command = _train(out, folders, "--minutes", "0.001", "--json", "-")
    done = train(command)
    assert done.code == 0, done.err
    assert "the time was over before the first step" in done.err
    document = json.loads(done.out, parse_constant=pytest.fail)
    assert document["best"]["loss"] is None and document["best"]["pictures"] == 1
    assert cards.load(str(out)).card.provenance["steps"] == 0


@pytest.mark.alone
def test_a_budget_is_a_budget(tmp_path: Path, folders: tuple[Path, Path], train: Train) -> None:
    """Loading, validation and export included; a busy machine may be a little late."""
    out = tmp_path / "model.onnx"
    command = _train(out, folders, "--minutes", "0.2", "--validations", "1000", "--json", str(tmp_path / "h.json"))
    started = time.monotonic()
    done = train(command)
    took = time.monotonic() - started
    assert done.code == 0, done.err
    assert 5 < took < 12 * 1.5
    history = json.loads((tmp_path / "h.json").read_text())["history"]
    assert history[-1]["done"] == 1.0 and history[-1]["seconds"] < 12 * 1.25


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--epochs", "1", "--minutes", "1"], 2, "give either --epochs or --minutes"),
        (["--epochs", "1", "--size", "16x16"], 2, "--size 16x16: too small"),
        (["--epochs", "1", "--leave-out", "0*"], 2, "what to validate on?"),
        (["--epochs", "1", "--arch", "unet"], 2, "--arch unet: unknown"),
        (["--epochs", "1", "--classes", "camvid-99"], 2, "no such class map"),
        (["--epochs", "1", "--classes", "camvid-12", "--synthetic", "0.1"], 2, "CamVid's 11 classes, not camvid-12"),
        (["--epochs", "1", "--init", "nowhere.onnx"], 3, "no such model"),
        (["--epochs", "1", "--encoder-weights", "/etc/hostname"], 3, "no torch state dict"),
        (["--epochs", "1", "--images", "/nonexistent"], 4, "/nonexistent: No such file or directory"),
    ],
)
def test_wrong_flags_are_one_line(
    tmp_path: Path, folders: tuple[Path, Path], train: Train, flags: list[str], code: int, message: str
) -> None:
    done = train(_train(tmp_path / "m.onnx", folders, *flags))
    assert done.code == code
    assert message in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "m.onnx").exists()


def test_opencvs_threads_do_not_stop_the_loader(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """Its pool does not survive a fork: a loader's process that ended it waited for ever."""
    images, labels = map(str, folders)
    flags = ["--images", images, "--labels", labels, "--val-images", images, "--val-labels", labels]
    flags += ["--size", "96x64", "--epochs", "0.5", "--batch", "2", "-o", str(tmp_path / "x.onnx")]
    code = (
        "import sys, cv2, numpy as np\n"
        "cv2.setNumThreads(8)\n"
        "cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.uint8), (31, 31), 0)\n"
        f"sys.argv = ['edge-segnet', 'train', *{flags!r}]\n"
        "from edge_segnet.cli.main import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
