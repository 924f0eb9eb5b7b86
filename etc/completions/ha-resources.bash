# bash completion for ha-resources

_ha_resources() {
  local cur=${COMP_WORDS[COMP_CWORD]} word verb='' what=''
  local verbs='takegroup givegroup takenode givenode yieldnode clearnode announce status statgroup listkeys allkeys ourkeys otherkeys verifyallidle plan check realserver help'
  case ${COMP_WORDS[COMP_CWORD - 1]} in
    --config-dir | --run-dir | --init-dir) COMPREPLY=($(compgen -d -- "$cur")); return;;
  esac
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ " $verbs " == *" $word "* ]] && { [ "$verb" = plan ] && what=$word || verb=${verb:-$word}; }
  done
  if [[ $verb == realserver && $cur == -* ]]; then
    COMPREPLY=($(compgen -W '--check --persist --remove --redirect --port --json --config-dir -h --help' -- "$cur"))
    return
  fi
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W '--config-dir --run-dir --init-dir --json --debug --script-limit --status-limit --lock-wait --stop-retries -h --help -V --version' -- "$cur"))
    return
  fi
  [ "$verb" = plan ] && [ -n "$what" ] && verb=$what
  case $verb in
    '') COMPREPLY=($(compgen -W "$verbs" -- "$cur"));;
    plan) COMPREPLY=($(compgen -W 'takegroup givegroup takenode givenode' -- "$cur"));;
    takegroup | givegroup | statgroup) COMPREPLY=($(compgen -W "$(ha-resources allkeys 2>/dev/null)" -- "$cur"));;
    takenode | givenode | yieldnode | clearnode | announce | listkeys)
      COMPREPLY=($(compgen -W "$(sed -n 's/^[[:space:]]*node[[:space:]]//p' /etc/ha.d/ha.cf 2>/dev/null)" -- "$cur"));;
  esac
}
complete -F _ha_resources ha-resources
