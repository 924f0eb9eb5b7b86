# bash completion for ha-drill

_ha_drill() {
  local cur=${COMP_WORDS[COMP_CWORD]} word action=''
  local actions='watch standby takeover stop kill power-off cut'
  case ${COMP_WORDS[COMP_CWORD - 1]} in
    --link) COMPREPLY=($(compgen -W "$(ls /sys/class/net 2>/dev/null)" -- "$cur")); return;;
    --on) COMPREPLY=($(compgen -W "$(sed -n 's/^[[:space:]]*node[[:space:]]//p' /etc/ha.d/ha.cf 2>/dev/null)" -- "$cur")); return;;
    --set) COMPREPLY=($(compgen -W 'all local foreign' -- "$cur")); return;;
    --save) COMPREPLY=($(compgen -f -- "$cur")); return;;
    --run | --with | --undo-with | --for | --max-outage | --max-duplicate | --tcp | --http | --http-host | --every | --patience | --settle) return;;
  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W '--run --on --with --undo-with --set --link --for --max-outage --max-duplicate --tcp --http --http-host --every --patience --settle --yes --json --save --no-save -h --help -V --version' -- "$cur"))
    return
  fi
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ " $actions " == *" $word "* ]] && action=$word
  done
  [ -n "$action" ] || COMPREPLY=($(compgen -W "$actions" -- "$cur"))
}
complete -F _ha_drill ha-drill
