#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# real_inputs.sh - what do the programs of real_test.sh work on?
#
#   real_inputs.sh all FOLDER		write everything into FOLDER
#   real_inputs.sh commits		fill the git repository that we are in
#
# Everything is made up, and the same each time.
set -eu

# Statements on two tables, with what touches most of sqlite: indices, triggers,
# joins, recursion, windows, JSON, full text, blobs, vacuum.
load_sql()
{
	cat <<'SQL'
pragma journal_mode = wal;
pragma cache_size = 300;
create table item(id integer primary key, name text, number real, body blob);
create table link(a integer references item(id), b integer references item(id), w int);
create table log(n integer);
insert into log values (0);
create virtual table words using fts5(name, text);
create trigger count after delete on item begin update log set n = n + 1; end;
begin;
with recursive n(i, x) as (select 1, 12345
	union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from n where i < 20000)
insert into item select i, 'name ' || x, x / 7.0,
	substr(hex(x) || hex(x * x) || hex(x * i), 1, x % 60) from n;
insert into link select id, (id * 7919) % 20000 + 1, id % 97 from item;
commit;
create index by_name on item(name);
create index by_weight on link(w, b);
update item set body = zeroblob(id % 5000) where id % 50 = 0;
update item set name = upper(name) || id where id % 3 = 0;
insert into words select name, group_concat(body, ' ') from item where id % 50 group by id % 700;
select count(*), sum(length(body)), min(name), max(name) from item;
select w, count(*), sum(length(item.body)) from link join item on item.id = link.b
	group by w order by w;
with recursive walk(at, depth) as (select 1, 0
	union select b, depth + 1 from walk join link on a = at where depth < 500)
select count(*), sum(at) from walk;
select id, sum(number) over (order by id rows between 9 preceding and current row)
	from item where id % 1000 = 0;
select json_group_array(json_object('id', id, 'name', name, 'list', json_array(id, number)))
	from item where id % 400 = 1;
select count(*) from words where words match 'NAME OR name';
delete from item where id % 4 = 0;
select n from log;
select name, count(*) c from (select substr(name, 1, 7) name from item) group by name
	order by c desc, name limit 10;
vacuum;
pragma integrity_check;
pragma page_count;
.dump item
SQL
}

work_pl()
{
	cat <<'PERL'
use strict;
use threads;
use Thread::Queue;

my $x = 42;
sub random { $x = ($x * 1103515245 + 12345) % 2147483648; $x % $_[0] }

my (%words, @lines);
for my $i (1 .. 20000) {
	my $line = join " ", map { "w" . random(3000) } 0 .. random(12);
	$words{$_}{$i % 50} .= "$i," for split / /, $line;
	push @lines, $line;
}
print scalar(keys %words), " ", unpack("%32C*", join "", sort @lines), "\n";
my @long = sort { length $b <=> length $a || $a cmp $b }
	map { join "|", map { "$_=$a" } sort keys %$_ } values %words;
print "$#long ", length join("", @long), "\n";
my $text = join "\n", @lines;
my $n = () = $text =~ /\bw(\d)\d*(\d) w\d+\1/g;
(my $other = $text) =~ s/(w\d+) (w\d+)/\U$2 $1/g;
print "$n ", length $other, " ", unpack("%32C*", $other), "\n";
my @trees = map { my $t = [$_]; $t = [$t, { n => $t }] for 1 .. random(60); $t } 1 .. 3000;
splice @trees, random(@trees), 7 for 1 .. 300;
print scalar @trees, "\n";
open my $pipe, "-|", "$^X", "-e", 'print "x" x $_, "\n" for 1 .. 2000' or die;
my $bytes = 0;
$bytes += length while <$pipe>;
print "$bytes\n";
my ($in, $out) = (Thread::Queue->new(1 .. 400), Thread::Queue->new);
$in->end;
my @threads = map { threads->create(sub {
	while (defined(my $i = $in->dequeue)) { $out->enqueue("$i:" . "y" x ($i * 3)) }
}) } 1 .. 4;
$_->join for @threads;
$out->end;
my $sum = 0;
while (defined(my $s = $out->dequeue)) { $sum += length $s }
print "$sum\n";
PERL
}

work_c()
{
	awk 'BEGIN {
		print "#include <stdio.h>\n#include <string.h>"
		x = 7
		for (i = 0; i < 200; i++) {
			x = (x * 48271) % 2147483647
			printf "struct s%d { int a[%d]; struct s%d *next; char c; };\n", i, x % 9 + 1, i
			printf "static long f%d(struct s%d *s, unsigned long n)\n{\n\tlong r = %d;\n", i, i, x
			printf "\tfor (; n; n--) {\n\t\tswitch ((n ^ r) %% 7) {\n"
			for (k = 0; k < 6; k++)
				printf "\t\tcase %d: r = r * %d + s->a[0] - (r >> %d); break;\n", k, x % 97 + k, k + 1
			printf "\t\tdefault: s->c++; r ^= s->c; }\n\t}\n\treturn r;\n}\n"
		}
		print "int main(void)\n{\n\tlong sum = 0;"
		for (i = 0; i < 200; i++)
			printf "\t{ struct s%d s; memset(&s, %d, sizeof(s)); sum ^= f%d(&s, %d); }\n", i, i % 128, i, i % 40
		print "\tprintf(\"%ld\\n\", sum);\n\treturn 0;\n}"
	}'
}

work_cc()
{
	cat <<'CXX'
#include <algorithm>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <sstream>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

template <int N> struct nest {
	std::map<int, std::vector<std::tuple<int, std::string, nest<N - 1>>>> m;
	long sum() const {
		long s = N;
		for (auto &p : m)
			for (auto &t : p.second)
				s += std::get<0>(t) + std::get<1>(t).size() + std::get<2>(t).sum();
		return s;
	}
};
template <> struct nest<0> { long sum() const { return 1; } };

template <int N> nest<N> grow(unsigned x)
{
	nest<N> n;

	for (unsigned i = 0; i < 3; i++) {
		x = x * 1103515245 + 12345;
		if constexpr (N > 1)
			n.m[x % 5].emplace_back(x % 11, std::string(x % 70, 'c'), grow<N - 1>(x));
	}
	return n;
}

int main()
{
	std::variant<int, std::string, std::vector<int>> v;
	std::unordered_map<std::string, std::shared_ptr<std::string>> words;
	std::vector<std::future<long>> later;
	std::regex r("([a-z]+)([0-9]+)");
	std::ostringstream out;

	for (int i = 0; i < 5000; i++) {
		out << "word" << i % 700 << ' ';
		if (i % 3)
			v = std::string(i % 90, 'x');
		else
			v = std::vector<int>(i % 50, i);
	}
	std::string text = out.str();
	for (std::sregex_iterator i(text.begin(), text.end(), r), end; i != end; ++i)
		words[(*i)[2]] = std::make_shared<std::string>((*i)[1]);
	for (unsigned i = 0; i < 4; i++)
		later.push_back(std::async(std::launch::async, [i] { return grow<7>(i).sum(); }));
	std::cout << words.size() << ' ' << v.index();
	for (auto &f : later)
		std::cout << ' ' << f.get();
	std::cout << '\n';
}
CXX
}

# One script, which redis runs without interruption
load_lua()
{
	cat <<'LUA'
local x = 99
local function random(n) x = (x * 16807) % 2147483647; return x % n end
for i = 1, 20000 do
	local key = 'k' .. random(4000)
	local what = random(8)
	local kind = redis.call('type', key).ok
	if what == 0 then redis.call('unlink', key)
	elseif what == 1 then redis.call('del', key)
	elseif what == 2 and kind == 'string' then
		redis.call('append', key, string.rep('a', random(3000)))
	elseif what == 3 and kind == 'string' then redis.call('setrange', key, random(9000), 'z')
	elseif what == 4 then redis.call('hset', 'h' .. random(50), key, string.rep('v', random(200)))
	elseif what == 5 then redis.call('zadd', 'z' .. random(20), random(1000), key)
	elseif what == 6 then redis.call('rpush', 'l' .. random(20), string.rep(key, random(30)))
	else redis.call('set', key, string.rep('s', random(20000))) end
end
return redis.call('dbsize')
LUA
}

# 40 commits on 60 files, with branches that are merged
commits()
{
	local i

	for ((i = 1; i <= 40; i++)); do
		awk -v i=$i 'BEGIN {
			for (f = 0; f < 60; f++) {
				if (i > 1 && (f * 7 + i) % 5)
					continue
				for (n = 1; n <= 50 + f * 9; n++)
					print "line " n, (n % 17 < i % 17) ? i : f > ("file" f)
			}
		}'
		git add . && git commit -q -m "commit $i"
		if ((i % 10 == 5)); then
			git checkout -q -b "side$i"
		elif ((i % 10 == 9)); then
			git checkout -q main
			git merge -q --no-ff -m "merge $i" "side$((i - 4))"
		fi
	done
}

case $1 in
all)
	cd "$2"
	load_sql >load.sql
	work_pl >work.pl
	work_c >work.c
	work_cc >work.cc
	load_lua >load.lua
	;;
commits)
	commits
	;;
esac
