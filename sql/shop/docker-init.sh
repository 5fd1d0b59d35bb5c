# docker-compose.yml: the MySQL image reads this when its data directory is empty.
MYSQL_PWD="$MYSQL_ROOT_PASSWORD" /sql/shop/install.sh -u root
