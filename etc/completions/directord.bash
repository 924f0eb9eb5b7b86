# bash completion for directord and ldirectord

_directord() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} word verb='' config=()
  local verbs='start activate deactivate stop restart try-restart reload force-reload status check show drain undrain check-now events table metrics'
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
      -*) ;;
      *) if [[ " $verbs " == *" $word "* ]]; then verb=$word; elif [ -z "$verb" ]; then config=("$word"); fi;;
    esac
  done
  case $prev in
    --run-dir | --config-dir) COMPREPLY=($(compgen -d -- "$cur")); return;;
    --limit | --service) return;;
  esac
  if [[ $cur == -* ]]; then
    local options='-d --debug -f --foreground --run-dir --config-dir -h --help -v --version'
    case $verb in
      start) options+=' --standby';;
      check) options+=' --strict --json';;
      show) options+=' --service --watch --json';;
      drain) options+=' --service --wait --limit --json';;
      undrain | check-now) options+=' --service --json';;
      events) options+=' --follow --json';;
      status) options+=' --json';;
    esac
    COMPREPLY=($(compgen -W "$options" -- "$cur"))
    return
  fi
  case $verb in
    '') COMPREPLY=($(compgen -W "$verbs $(cd /etc/ha.d 2>/dev/null && ls -d -- *.cf 2>/dev/null)" -- "$cur"));;
    drain | undrain | show | check-now)
      # the real servers of the daemon that runs; what has a colon is one word for readline only if it is told
      COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" "${config[@]}" show --json 2>/dev/null | grep -o '"server": *"[^"]*"' | cut -d'"' -f4)" -- "$cur"));;
  esac
}
complete -F _directord directord ldirectord
