# bash completion for ha-migrate

_ha_migrate() {
  local cur=${COMP_WORDS[COMP_CWORD]} word verb='' from='' options
  case ${COMP_WORDS[COMP_CWORD - 1]} in
    -o | --output | --default-dir | --install-dir) COMPREPLY=($(compgen -d -- "$cur")); return;;
    --node | --peer) return;;
  esac
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
      check | import) verb=${verb:-$word};;
      keepalived | piranha | ipvsadm) from=$word;;
    esac
  done
  case $verb in
    check) options='--json --node --default-dir --offline -v --verbose -h --help';;
    import) options='--json -o --output --install-dir --force --node --peer -v --verbose -h --help';;
    *) options='--json -h --help -V --version';;
  esac
  if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W "$options" -- "$cur"))
  elif [ -z "$verb" ]; then COMPREPLY=($(compgen -W 'check import help' -- "$cur"))
  elif [ "$verb" = check ]; then COMPREPLY=($(compgen -d -- "$cur"))
  elif [ -z "$from" ]; then COMPREPLY=($(compgen -W 'keepalived piranha ipvsadm' -- "$cur"))
  else COMPREPLY=($(compgen -f -- "$cur")); fi
}
complete -F _ha_migrate ha-migrate
