#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only
# What a Perl program does with memory: usage: work.pl hash|text N
use strict;
use warnings;

sub hash
{
	my ($n) = @_;
	my (%count, @records);

	for my $i (0 .. $n - 1) {
		my $key = "key" . ($i * 7919 % ($n / 2));
		$count{$key}{$i % 5}++;
		push @records, { id => $i, name => "record $i", list => [1 .. $i % 8] };
	}
	for my $i (0 .. $n / 4) {
		delete $count{"key$i"};
	}
	my @sorted = sort { $a->{name} cmp $b->{name} } @records;
	@records = grep { $_->{id} % 3 } @sorted;
	return keys(%count) + @records;
}

sub text
{
	my ($n) = @_;
	my $whole = '';
	my $sum = 0;

	for my $i (0 .. $n - 1) {
		$whole .= "line $i has the words " . join(' ', map { "w$_" } 0 .. $i % 12) . "\n";
	}
	for my $line (split /\n/, $whole) {
		my @words = split ' ', $line;
		(my $other = $line) =~ s/w(\d+)/<$1>/g;
		$sum += @words + length($other) + length(join ',', reverse @words);
	}
	return $sum;
}

my %work = (hash => \&hash, text => \&text);
print $work{$ARGV[0]}->($ARGV[1]), "\n";
