#!/bin/busybox sh
# The first and only program of the machine. Each `case NAME: RESULT` is read by whoever started it.
/bin/busybox --install -s /bin
export PATH=/bin LD_LIBRARY_PATH=/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu TERM=dumb HOME=/tmp
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev 2> /dev/null
ip link set lo up

# Without the module the server says what is missing.
offhook serve --config /server.toml > /tmp/without 2>&1
grep -q 'modprobe sctp' /tmp/without && echo "case without-the-module: ok" || { echo "case without-the-module: not ok"; cat /tmp/without; }

for module in /modules/*; do insmod "$module"; done
offhook serve --config /server.toml > /tmp/log 2>&1 &
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  grep -qi 'ready' /tmp/log && break
  sleep 1
done

# A callee on either family, and callers by SCTP and UDP.
sipp -sn uas -t s1 -i 127.0.0.1 -p 5070 -bg > /dev/null 2>&1
sipp -sn uas -t s1 -i ::1 -p 5070 -bg > /dev/null 2>&1
sipp -sn uas -t u1 -i 127.0.0.1 -p 5080 -bg > /dev/null 2>&1
sleep 1
call() { # name, transport, user, source
  (cd /tmp && sipp -sn uac -t "$2" -s "$3" -i "$4" ${5:+-p $5} -m 5 -r 5 -d 100 -timeout 60s -nostdin "$6" > /tmp/out.$1 2>&1)
  code=$?
  [ $code = 0 ] && echo "case $1: ok" || { echo "case $1: not ok ($code)"; head -n 8 /tmp/out.$1; tail -n 4 /tmp/out.$1; cat /tmp/*errors.log; }
}
call sctp-to-sctp s1 4 127.0.0.1 6001 127.0.0.1:5060
call udp-to-sctp u1 4 127.0.0.1 "" 127.0.0.1:5060
call sctp-to-udp s1 9 127.0.0.1 6003 127.0.0.1:5060
call sctp-to-sctp-by-ipv6 s1 6 ::1 6004 [::1]:5060
call sctp-ipv4-to-ipv6 s1 6 127.0.0.1 6005 127.0.0.1:5060
echo "log:"; tail -n 30 /tmp/log
poweroff -f
