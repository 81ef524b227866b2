#!/bin/sh
# settings: $settings
umask 022
PATH=$$PATH:/usr/sbin:/sbin
cd $folder || exit 1
$check
$forget
exec keepalived --dont-fork --log-console --vrrp --use-file=$folder/keepalived.conf \
    --pid=$folder/keepalived.pid --vrrp_pid=$folder/vrrp.pid
