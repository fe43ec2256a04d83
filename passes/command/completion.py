"""What may come next on a command line, and the scripts by which bash and zsh ask for it."""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
from pathlib import Path

from passes.command.arguments import parser

# Words that `names` knows nothing for, such as files, are left to the shell, and so is python without `-m passes`.
BASH = r"""
_sluice_passes() {
    COMPREPLY=()
    [[ ${COMP_WORDS[1]} == -m && ${COMP_WORDS[2]} == passes && COMP_CWORD -gt 2 ]] || return
    local names current=${COMP_WORDS[COMP_CWORD]}
    names=$("${COMP_WORDS[0]}" -m passes --names "${COMP_WORDS[@]:3:COMP_CWORD-3}" 2>/dev/null)
    COMPREPLY=($(compgen -W "$names" -- "${current#=}"))
}
complete -o bashdefault -o default -F _sluice_passes python python3
"""
BASH_DOIT = r"""
if declare -F _get_comp_words_by_ref >/dev/null || . /usr/share/bash-completion/bash_completion 2>/dev/null; then
%s
complete -o filenames -F _doit doitw
else
    echo "doit's tasks are completed where the package bash-completion is installed" >&2
fi
"""
ZSH = r"""
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
_sluice_passes() {
    if [[ $words[2] == -m && $words[3] == passes ]] && (( CURRENT > 3 )); then
        local -a names=("${(@f)$("$words[1]" -m passes --names "${(@)words[4,CURRENT-1]}" 2>/dev/null)}")
        names=(${names:#})
        if (( $#names )); then compadd -a names; else _files; fi
    elif (( $+functions[_python] )); then _python "$@"
    else _files
    fi
}
compdef _sluice_passes python python3
"""
ZSH_DOIT = r"""
%s
compdef _doit doit doitw
"""


def script(shell: str) -> str:
    """For `source <(python -m passes completion bash)`; where doit is there it also completes doit's tasks."""
    ours, frame = {"bash": (BASH, BASH_DOIT), "zsh": (ZSH, ZSH_DOIT)}[shell]
    doit = Path(sys.executable).with_name("doit")  # by this name, which goes into the script
    if not doit.exists():
        return ours
    done = subprocess.run([doit, "tabcompletion", "--shell", shell], check=False, capture_output=True, text=True)
    return ours + (frame % done.stdout.removesuffix("\n_doit\n") if done.returncode == 0 else "")


def names(before: list[str]) -> list[str]:
    """What may follow these words of `python -m passes`; nothing where the shell's own files may."""
    commands = _commands()
    before = [word for word in before if word != "="]  # which bash takes for a word
    if not before:
        return list(commands)
    if before[0] not in commands:
        return []
    actions = commands[before[0]]._actions
    last = next((a for a in actions if len(before) > 1 and before[-1] in a.option_strings and a.nargs != 0), None)
    if last is not None:
        return _values(last.dest, before)
    options = [word for action in actions if action.help != argparse.SUPPRESS for word in action.option_strings if "--" in word]
    if before[0] in ("run", "bisect"):
        return options if len(before) > 1 else []
    return _values("pipeline", before) if before[0] == "list" else ["bash", "zsh"]


def _commands() -> dict[str, argparse.ArgumentParser]:
    (subparsers,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(subparsers.choices)


def _values(dest: str, before: list[str]) -> list[str]:
    """The names that an option takes, of the pipeline that the words name or of all."""
    from passes.pipelines import PIPELINES, find, named
    from passes.steps import name_of, steps_of
    from passes.targets import NATIVE, TARGETS

    if dest == "pipeline":
        return list(named())
    if dest == "target":
        return [NATIVE, *TARGETS]
    chosen = [p for option, p in itertools.pairwise(before) if option == "--pipeline" and p in named()]
    steps = [step for name in chosen or PIPELINES for step in steps_of(find(name))]
    if dest == "debug_only":
        return [name_of(step.entry) for step in steps if not isinstance(step.entry, str)]
    if dest in ("start_after", "stop_after", "only", "print_ir_after"):
        return list(dict.fromkeys([*(step.label for step in steps), *(["all"] if dest == "print_ir_after" else [])]))
    return []
