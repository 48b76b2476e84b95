"""TAB in a shell: what may stand on the command line of a door, as it is typed.

Hydra's own completion knows `python script.py` and installed commands, not `python -m src.train`, and it would import
the whole door at each TAB. Its knowledge of keys and choices is used here.
"""

import shlex
import sys
from pathlib import Path

from hydra import initialize_config_dir
from hydra._internal.core_plugins.bash_completion import BashCompletion
from hydra.core.global_hydra import GlobalHydra

from whysaid.run.conf import CONF, DOORS

FLAGS = frozenset(("-sc", "--shell-completion"))

_BASH = r"""_whysaid_complete() {
  local line="${COMP_LINE:0:COMP_POINT}" word cut="" choice
  [[ $line =~ ^[^\ ]*python[0-9.]*\ +-m\ +src\.(DOORS)\ (.*)$ || $line =~ ^[^\ ]*whysaid-(DOORS)\ (.*)$ ]] || return
  word="${BASH_REMATCH[2]##* }"
  [[ $word == *=* && $COMP_WORDBREAKS == *=* ]] && cut="${word%=*}="  # bash itself keeps what stands before a `=`
  COMPREPLY=()
  while IFS= read -r choice; do
    [[ $choice == "$word"* ]] && COMPREPLY+=("${choice#"$cut"}")
  done < <(QUERY "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" 2>/dev/null)
  compopt -o nospace
  if [[ ${#COMPREPLY[@]} -eq 0 && $word == *=* ]]; then
    compopt -o filenames
    while IFS= read -r choice; do
      COMPREPLY+=("${word%"${word#*=}"}$choice"); COMPREPLY[-1]="${COMPREPLY[-1]#"$cut"}"
    done < <(compgen -f -- "${word#*=}")
  fi
}
complete -o default -F _whysaid_complete python python3 COMMANDS
"""


def completion_script() -> str:
    """Returns lines of bash after which TAB completes every door, from a checkout and installed."""
    source = str(Path(__file__).parents[2])
    code = f"import sys; sys.path.insert(0, {source!r}); from whysaid.doors.completion import main; main()"
    query = f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}"
    commands = " ".join(f"whysaid-{door}" for door in DOORS)
    return _BASH.replace("DOORS", "|".join(DOORS)).replace("QUERY", query).replace("COMMANDS", commands)


def completions(door: str, line: str) -> list[str]:
    """Lists what the last word of a command line may become.

    Args:
        door: name of the door.
        line: what stands behind the door's name, up to the cursor.
    """
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return list(BashCompletion(GlobalHydra.instance().config_loader())._query(door, line))


def main() -> None:
    """Prints the completions of the line that the shell hands over, one a line."""
    _, door, line = sys.argv
    print("\n".join(completions(door, line)))
