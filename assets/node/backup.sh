# What an engine keeps of its swarm, for `azswarm backup` and `restore`.  Run by
# root over SSH: sh -c THIS WORD ROOT, where Docker keeps what it has.
#
#	pack	says how many bytes follow, in a line, and then the bytes; the
#		engine is stopped while it is packed
#	put	reads such bytes and puts them in place, with the helper stopped;
#		what was there is kept in swarm.before; 9: with them the engine
#		does not start
#	back	puts that in place again, where there is any
#	done	it is not needed any more
#
# The engine is started again however this ends.  Its containers are no part of
# it, nor is worker/, which says what ran on this one machine.
set -eu
umask 077
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
cd "$1"

# after some starts that failed systemd starts nothing for a while
engine_start()
{
	systemctl reset-failed docker.service docker.socket || true
	systemctl start docker.service
}

engine_stop()
{
	trap engine_start EXIT
	trap "exit 1" HUP INT TERM
	# by its socket it would be started again
	systemctl stop docker.socket docker.service
}

case $0 in
pack)	rm -rf azswarm-backup
	mkdir azswarm-backup
	engine_stop
	trap "rm -rf azswarm-backup; engine_start" EXIT
	timeout 300 tar -c -z -f azswarm-backup/it --exclude=swarm/worker --exclude="*.tmp" swarm
	engine_start
	stat -c %s azswarm-backup/it
	cat azswarm-backup/it
	;;
put)	rm -rf swarm.new
	mkdir swarm.new
	tar -x -z -C swarm.new
	[ -d swarm.new/swarm/raft ] && [ -s swarm.new/swarm/docker-state.json ]
	systemctl stop swarm-helper.service
	engine_stop
	# what a run that was cut off has put there is not what was before
	if [ -e swarm.before ]; then
		rm -rf swarm
	elif [ -e swarm ]; then
		mv swarm swarm.before
	else
		mkdir swarm.before
	fi
	mv swarm.new/swarm swarm
	rmdir swarm.new
	trap - EXIT
	engine_start || exit 9
	;;
back)	rm -rf swarm.new
	[ -e swarm.before ] || exit 0
	engine_stop
	rm -rf swarm
	mv swarm.before swarm
	;;
done)	rm -rf swarm.before
	systemctl start swarm-helper.service
	;;
esac
