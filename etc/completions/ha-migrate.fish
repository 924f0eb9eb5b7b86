# fish completion for ha-migrate
complete -c ha-migrate -n __fish_use_subcommand -f -a check -d 'What becomes of the files'
complete -c ha-migrate -n __fish_use_subcommand -f -a import -d 'Of another program'
complete -c ha-migrate -n '__fish_seen_subcommand_from import; and not __fish_seen_subcommand_from keepalived piranha ipvsadm' -f -a 'keepalived piranha ipvsadm'
complete -c ha-migrate -l json -d 'One JSON document'
complete -c ha-migrate -l node -x -d 'The node whose files they are'
complete -c ha-migrate -s v -l verbose -d 'Also what stays the same'
complete -c ha-migrate -n '__fish_seen_subcommand_from check' -l default-dir -r -F -d 'Variables of the old start scripts'
complete -c ha-migrate -n '__fish_seen_subcommand_from check' -l offline -d 'Look up no names'
complete -c ha-migrate -n '__fish_seen_subcommand_from import' -s o -l output -r -F -d 'Where the new files are written'
complete -c ha-migrate -n '__fish_seen_subcommand_from import' -l install-dir -r -F -d 'Where they will lie on the nodes'
complete -c ha-migrate -n '__fish_seen_subcommand_from import' -l force -d Overwrite
complete -c ha-migrate -n '__fish_seen_subcommand_from import' -l peer -x -d 'The other node'
