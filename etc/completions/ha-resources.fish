# fish completion for ha-resources
complete -c ha-resources -f
complete -c ha-resources -n __fish_use_subcommand -a 'takegroup givegroup takenode givenode yieldnode clearnode announce status statgroup listkeys allkeys ourkeys otherkeys verifyallidle plan check realserver'
complete -c ha-resources -n '__fish_seen_subcommand_from takegroup givegroup statgroup' -a '(ha-resources allkeys 2>/dev/null)'
complete -c ha-resources -n '__fish_seen_subcommand_from plan' -a 'takegroup givegroup takenode givenode'
complete -c ha-resources -l json -d 'One JSON object a line'
complete -c ha-resources -l debug -d 'Log more'
complete -c ha-resources -l config-dir -r -F
complete -c ha-resources -l run-dir -r -F
complete -c ha-resources -n '__fish_seen_subcommand_from realserver' -l check -d 'Say what is wrong'
complete -c ha-resources -n '__fish_seen_subcommand_from realserver' -l persist -d 'Also after the next start'
complete -c ha-resources -n '__fish_seen_subcommand_from realserver' -l remove -d 'Undo it'
complete -c ha-resources -n '__fish_seen_subcommand_from realserver' -l redirect -d 'By nftables'
complete -c ha-resources -n '__fish_seen_subcommand_from realserver' -l port -x -d 'Who takes it here'
