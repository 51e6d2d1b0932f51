# SPDX-License-Identifier: MIT
# Completion for fish: what bash's offers.
complete -c PROGRAM -f -a "(bash -c '. \"\$0\" && _intellisched_print \"\$@\"' \
    /usr/share/bash-completion/completions/PROGRAM (commandline -opc) (commandline -ct) 2>/dev/null)"
