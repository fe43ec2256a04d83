"""The words on the command line: what they choose, what they are refused for, which folder they build in."""

from __future__ import annotations

from pathlib import Path

import pytest
from doit.exceptions import InvalidCommand

from tasks import models, settings

ROOT = Path(__file__).parents[2]
MODEL_FILE = '''"""A model for a test. It has more to say."""
from dataclasses import dataclass
{tolerance}


@dataclass(frozen=True)
class {config}:
    extent: int = 4
    name: str = "plain"
'''


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths of the task graph are relative to the repository."""
    monkeypatch.chdir(ROOT)


def refusal(**words: str) -> str:
    with pytest.raises(InvalidCommand) as error:
        settings.parse(words)
    sentence = str(error.value)
    assert "\n" not in sentence
    return sentence


def test_no_words() -> None:
    parsed = settings.parse({})
    assert (parsed.model.name, parsed.folder) == ("deepseek_r1_block", Path("build/deepseek_r1_block"))
    assert (parsed.overrides, parsed.run, parsed.target) == ({}, {}, "native")


def test_a_kernel_is_found_by_its_name() -> None:
    model = settings.parse({"model": "gemm"}).model
    assert (model.name, model.module, model.path) == ("gemm", "kernels.gemm", Path("model/kernels/gemm.py"))
    assert "gemm" not in models.names() and "gemm" in models.kernels()
    assert "no model 'gemn'; did you mean 'gemm'? model/ has: " in refusal(model="gemn")


def test_threads_or_none_name_the_build_folder() -> None:
    assert settings.parse({"model": "mlp", "parallel": "on"}).folder == Path("build/mlp")
    assert settings.parse({"model": "mlp", "parallel": "off"}).folder == Path("build/mlp-parallel=off")
    assert refusal(parallel="no") == "parallel=no: expected on or off"


def test_what_only_a_bench_takes() -> None:
    parsed = settings.parse({"seq_lens": "1,7", "engines": "sluice,eager", "rounds": "12"})
    assert (parsed.seq_lens, parsed.engines, parsed.rounds) == ((1, 7), ("sluice", "eager"), 12)
    assert (parsed.overrides, parsed.run) == ({}, {})


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"engines": "sluice,tvm"}, "engines=tvm: expected sluice, sluice-one-thread, sluice-callable,"),
        ({"engines": ""}, "engines=: expected sluice,"),
        ({"dtypes": "f32,f8"}, "dtypes=f8: expected f32, bf16, w8"),
        ({"rounds": "0"}, "rounds=0: expected a whole number from 1"),
        ({"seq_lens": "1,x"}, "seq_lens=x: expected a value like 1"),
        ({"seq_lens": "0"}, "seq_lens=0: expected a whole number from 1"),
        ({"seq_lens": "1", "model": "mlp"}, "seq_lens=: mlp has no seq_len"),
    ],
)
def test_words_of_a_bench_that_are_wrong(words: dict[str, str], sentence: str) -> None:
    assert refusal(**words).startswith(sentence)


def test_parse_leaves_the_words_alone() -> None:
    words = {"model": "mlp", "batch": "5", "threads": "1"}
    settings.parse(words)
    assert words == {"model": "mlp", "batch": "5", "threads": "1"}


def test_an_unknown_model() -> None:
    sentence = refusal(model="mpl")
    assert sentence.startswith("no model 'mpl'; did you mean 'mlp'?")
    assert "deepseek_r1_block, " in sentence and ", mlp, " in sentence and "add model/mpl.py" in sentence
    assert "did you mean" not in refusal(model="zzzzzz")


@pytest.mark.parametrize("name", ["", "__init__", "../model/mlp", "mlp.py", "MLP"])
def test_a_name_that_is_no_model(name: str) -> None:
    assert refusal(model=name).startswith(f"no model {name!r}")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("seq_len", "0", "a whole number from 1"),
        ("batch", "-1", "a whole number from 1"),
        ("hidden_size", "0", "a whole number from 1"),
        ("iterations", "0", "a whole number from 1"),
        ("threads", "-1", "a whole number from 1"),
        ("seq_len", "abc", "a value like 40"),
        ("seq_len", "", "a value like 40"),
        ("seq_len", "4.5", "a value like 40"),
        ("rms_norm_eps", "small", "a value like 1e-06"),
        ("seed", "x", "a value like 0"),
        ("threads", "two", "a value like 1"),
    ],
)
def test_a_value_that_a_setting_cannot_have(name: str, text: str, expected: str) -> None:
    assert refusal(**{name: text}) == f"{name}={text}: expected {expected}"


def test_an_unknown_word() -> None:
    sentence = refusal(seqlen="7")
    assert sentence.startswith("seqlen=: nothing takes it; did you mean 'seq_len'?")
    for name in ("model", "build", "target", "threads", "iterations", "warmup", "seq_len", "batch"):
        assert name in sentence
    assert "did you mean" not in refusal(zzz="1")
    assert "seq_len" not in refusal(model="mlp", zzz="7"), "of another model"


def test_defaults_do_not_change_the_folder() -> None:
    plain = settings.parse({}).folder
    for word in ({"seq_len": "40"}, {"batch": "1"}, {"rms_norm_eps": "0.000001"}, {"seed": "0"}, {"target": "native"}):
        assert settings.parse(word).folder == plain, word


def test_overrides_name_the_folder_in_order() -> None:
    one = settings.parse({"seq_len": "7", "batch": "2", "build": "place"})
    other = settings.parse({"build": "place", "batch": "02", "seq_len": "7"})
    assert one.folder == other.folder == Path("place/deepseek_r1_block-batch=2-seq_len=7")
    assert one.overrides == {"batch": "2", "seq_len": "7"}
    assert settings.parse({"model": "mlp", "target": "baseline"}).folder == Path("build/mlp-target=baseline")


def test_the_order_of_words_does_not_matter() -> None:
    one, other = settings.parse({"seq_len": "7", "batch": "2"}), settings.parse({"batch": "2", "seq_len": "7"})
    assert list(one.overrides.items()) == list(other.overrides.items())


def test_every_override_has_a_folder_of_its_own() -> None:
    words = [
        {},
        {"batch": "2"},
        {"batch": "3"},
        {"seq_len": "2"},
        {"seed": "-1"},
        {"rope_theta": "1e6"},
        {"target": "baseline"},
    ]
    assert len({settings.parse(word).folder for word in words}) == len(words)


def test_counts_of_a_run_are_not_part_of_the_folder() -> None:
    parsed = settings.parse({"threads": "1", "iterations": "50", "warmup": "2"})
    assert parsed.folder == settings.parse({}).folder
    assert parsed.run == {"threads": 1, "iterations": 50, "warmup": 2}


def test_a_run_without_warmup() -> None:
    assert settings.parse({"warmup": "0"}).run == {"warmup": 0}


@pytest.mark.parametrize("dtype", ["bf16", "w8"])
def test_a_dtype(dtype: str) -> None:
    parsed = settings.parse({"model": "mlp", "dtype": dtype, "batch": "5", "target": "baseline"})
    assert parsed.dtype == dtype and parsed.folder == Path(f"build/mlp-batch=5-dtype={dtype}-target=baseline")
    assert settings.parse({"dtype": "f32"}).folder == settings.parse({}).folder


def test_an_unknown_dtype() -> None:
    assert refusal(dtype="fp8") == "dtype=fp8: expected f32, bf16, w8"


def test_an_unknown_target() -> None:
    assert "no target 'nativ'" in refusal(target="nativ")


def test_an_empty_build_folder() -> None:
    assert "build=" in refusal(build="")


@pytest.mark.parametrize(
    ("arguments", "chosen"),
    [([], "onestep"), (["model=mlp"], "onestep"), (["run"], "run"), (["model=mlp", "run"], "run"), (["list"], "onestep")],
)
def test_what_runs_when_nothing_is_named(arguments: list[str], chosen: str) -> None:
    assert settings.default_tasks(arguments) == [chosen]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models."""
    monkeypatch.setattr(models, "FOLDER", tmp_path)
    return tmp_path


def test_a_model_file(folder: Path) -> None:
    (folder / "small.py").write_text(MODEL_FILE.format(config="Config", tolerance="TOLERANCE = 1e-3"))
    found = models.find("small")
    assert (found.name, found.path, found.purpose) == ("small", folder / "small.py", "A model for a test. It has more to say.")
    assert (found.settings, found.tolerance, found.runner) == ({"extent": 4, "name": "plain"}, 1e-3, "small-runner")
    (folder / "other.py").write_text(MODEL_FILE.format(config="Config", tolerance='TOLERANCE = 1e-3\nRUNNER = "mine"'))
    assert models.find("other").runner == "mine"
    assert models.names() == ["other", "small"]


def test_the_phase_of_a_model(folder: Path) -> None:
    for name, phase in (("small", ""), ("step", '\nPHASE = "decode"'), ("odd", '\nPHASE = "train"')):
        (folder / f"{name}.py").write_text(MODEL_FILE.format(config="Config", tolerance=f"TOLERANCE = 1e-3{phase}"))
    assert (models.find("small").phase, models.find("step").phase) == ("prefill", "decode")
    with pytest.raises(models.UnknownModel, match=r"odd\.py: .* \(PHASE is 'train', expected prefill or decode\)"):
        models.find("odd")


@pytest.mark.parametrize(("config", "tolerance"), [("Other", "TOLERANCE = 1e-3"), ("Config", ""), ("Config", "tolerance = 1")])
def test_a_model_file_that_lacks_something(folder: Path, config: str, tolerance: str) -> None:
    (folder / "small.py").write_text(MODEL_FILE.format(config=config, tolerance=tolerance))
    with pytest.raises(
        models.UnknownModel, match=r"small\.py: a model file has a dataclass Config with plain defaults, a number TOLERANCE"
    ):
        models.find("small")
    assert "a model file has" in refusal(model="small")


@pytest.mark.parametrize(
    "text",
    [
        MODEL_FILE.format(config="Config", tolerance="TOLERANCE = 10 ** -3"),
        MODEL_FILE.format(config="Config", tolerance="TOLERANCE = 1e-3").replace("= 4", "= 2 * 2"),
        "def (\n",
    ],
    ids=["computed tolerance", "computed default", "not Python"],
)
def test_a_model_file_that_cannot_be_read(folder: Path, text: str) -> None:
    (folder / "small.py").write_text(text)
    with pytest.raises(models.UnknownModel, match=r"small\.py"):
        models.find("small")


def test_settings_from_another_model_file(folder: Path) -> None:
    base = MODEL_FILE.format(config="Sizes", tolerance="") + "\n\n@dataclass\nclass Config(Sizes):\n    depth: int = 2\n"
    (folder / "base.py").write_text(f"TOLERANCE = 1e-3\n{base}")
    derived = "from model.base import Sizes\nTOLERANCE = 1e-3\nclass Config(Sizes):\n    extent: int = 5\n    width: int = 3\n"
    (folder / "derived.py").write_text(derived)
    assert models.find("base").settings == {"extent": 4, "name": "plain", "depth": 2}
    assert models.find("derived").settings == {"extent": 5, "name": "plain", "width": 3}
    (folder / "odd.py").write_text("import base\nTOLERANCE = 1e-3\nclass Config(base.Config):\n    pass\n")
    with pytest.raises(models.UnknownModel, match=r"a base of Config is base\.Config, expected a name"):
        models.find("odd")
    (folder / "lost.py").write_text("from other import Sizes\nTOLERANCE = 1e-3\nclass Config(Sizes):\n    pass\n")
    with pytest.raises(models.UnknownModel, match=r"lost\.py"):
        models.find("lost")
