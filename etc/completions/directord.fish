# fish completion for directord and ldirectord
for command in directord ldirectord
    complete -c $command -f
    complete -c $command -a 'start activate deactivate stop restart try-restart reload status check show drain undrain check-now events table metrics'
    complete -c $command -a '(path basename /etc/ha.d/*.cf 2>/dev/null)' -d configuration
    complete -c $command -s d -l debug -d 'Foreground, log everything'
    complete -c $command -s f -l foreground -d 'Stay in the foreground'
    complete -c $command -l run-dir -r -F -d 'Pid file and control socket'
    complete -c $command -l config-dir -r -F -d Configurations
    complete -c $command -l service -x -d 'In this service only'
    complete -c $command -l wait -d 'drain: until no connection is left'
    complete -c $command -l limit -x -d 'drain --wait: seconds at most'
    complete -c $command -l watch -d 'show: every second'
    complete -c $command -l standby -d 'start: only check'
    complete -c $command -l follow -d 'events: and those that come'
    complete -c $command -l json -d 'As JSON'
    complete -c $command -l strict -d 'check: what ldirectord would refuse'
end
