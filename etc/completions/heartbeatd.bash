# bash completion for heartbeatd, cl_status, hb_standby, hb_takeover

_heartbeatd() {
  local cur=${COMP_WORDS[COMP_CWORD]}
  case ${COMP_WORDS[COMP_CWORD - 1]} in
    --config-dir | --state-dir | --run-dir) COMPREPLY=($(compgen -d -- "$cur")); return;;
  esac
  COMPREPLY=($(compgen -W '-d -D -f -k -l -M -r -s -v -V --version -W --check --config-dir --state-dir --run-dir -h --help' -- "$cur"))
}

_cl_status_nodes() { cl_status listnodes 2>/dev/null; }

_cl_status() {
  local cur=${COMP_WORDS[COMP_CWORD]}
  case ${COMP_WORDS[1]} in
    nodestatus | nodetype | listhblinks) [ "$COMP_CWORD" = 2 ] && COMPREPLY=($(compgen -W "$(_cl_status_nodes)" -- "$cur"));;
    hblinkstatus)
      case $COMP_CWORD in
        2) COMPREPLY=($(compgen -W "$(_cl_status_nodes)" -- "$cur"));;
        3) COMPREPLY=($(compgen -W "$(cl_status listhblinks "${COMP_WORDS[2]}" 2>/dev/null)" -- "$cur"));;
      esac;;
    *) [ "$COMP_CWORD" = 1 ] && COMPREPLY=($(compgen -W 'status watch hbstatus listnodes nodestatus nodeweight nodesite clientstatus rscstatus parameter listhblinks hblinkstatus --json --help' -- "$cur"));;
  esac
}

_hb_standby() {
  COMPREPLY=($(compgen -W 'all foreign local failback' -- "${COMP_WORDS[COMP_CWORD]}"))
}

complete -F _heartbeatd heartbeatd
complete -F _cl_status cl_status
complete -F _hb_standby hb_standby hb_takeover
