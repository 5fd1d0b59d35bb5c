#!/bin/sh
# Each service's schema, tables and account, on MySQL 8.0 or newer. Arguments are mysql's:
#
#   sql/shop/install.sh -h 127.0.0.1 -u root
set -eu
sql=$(dirname "$0")/..
for service in order inventory payment; do
    {
        echo "create database shop_$service; use shop_$service;"
        cat "$sql"/outbox/*.sql "$sql"/inbox/*.sql "$sql/shop/$service"/*.sql
    } | mysql "$@"
done
