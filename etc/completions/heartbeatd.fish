# fish completion for heartbeatd, cl_status, hb_standby, hb_takeover
complete -c heartbeatd -f
complete -c heartbeatd -s f -d 'Stay in the foreground'
complete -c heartbeatd -s k -d 'Stop the running daemon'
complete -c heartbeatd -s r -d 'Read the configuration again'
complete -c heartbeatd -s s -d 'Say whether the daemon is running'
complete -c heartbeatd -s D -d 'The directives with their defaults'
complete -c heartbeatd -s V -l version -d Version
complete -c heartbeatd -l check -d 'Check the configuration files'
complete -c heartbeatd -l config-dir -r -F
complete -c heartbeatd -l state-dir -r -F
complete -c heartbeatd -l run-dir -r -F
complete -c cl_status -f -n __fish_use_subcommand -a 'status watch hbstatus listnodes nodestatus nodeweight nodesite clientstatus rscstatus parameter listhblinks hblinkstatus'
complete -c cl_status -f -n 'not __fish_use_subcommand' -a '(cl_status listnodes 2>/dev/null)'
complete -c cl_status -l json -d 'As JSON'
for command in hb_standby hb_takeover
    complete -c $command -f -a 'all foreign local failback'
end
