#!/usr/bin/env perl
# A sender that uses Perl's Net::SMPP synchronously: one request, one answer.
#
# usage: net_smpp_client.pl HOST PORT ACCOUNT PASSWORD NUMBER [JOURNAL]
#
# The arguments, TOO_LONG_STATUS and SECOND_STATUS are those of smpplib_client.py.

use strict;
use warnings;
use utf8;
use open qw(:std :utf8);
use Encode qw(encode);
use Net::SMPP;

@ARGV >= 5 or die "usage: net_smpp_client.pl HOST PORT ACCOUNT PASSWORD NUMBER [JOURNAL]\n";
my ($host, $port, $account, $password, $number, $journal) = @ARGV;

my $source    = '62021001';
my $signature = '。合肥移动 询0551-62620000';
my $too_long  = oct($ENV{TOO_LONG_STATUS} // '0x01');
my $second    = oct($ENV{SECOND_STATUS}   // '0x45');
my $vendor    = 'AH-1860';
my $failures  = 0;

# Net::SMPP waits for ever; a request that is not answered must end the run.
$SIG{ALRM} = sub { print "not ok - Net::SMPP: no end within 30 s\n"; exit 1 };
alarm 30;

sub check {
    my ($good, $what) = @_;
    $failures++ unless $good;
    print $good ? 'ok' : 'not ok', " - Net::SMPP: $what\n";
    return;
}

sub text_of { my $length = shift; return '测' x ($length - length $signature) . $signature }

# A request that waits for its answer drops every other PDU, receipts too, unless it has a handler for it.
my %receipts;
sub receive {
    my ($smpp, $pdu) = @_;
    $smpp->deliver_sm_resp(seq => $pdu->seq, message_id => '');
    $receipts{$1} = $pdu if $pdu->{short_message} =~ /^id:(\S+) .*stat:DELIVRD/;
    return;
}

my ($smpp, $bound) =
    Net::SMPP->new_transceiver($host, port => $port, system_id => $account, password => $password, timeout => 10);
$smpp && $bound or die "not ok - Net::SMPP: no connection or no answer to the bind\n";
check($bound->status == 0, 'bound as transceiver');
${*$smpp}{handlers}{ Net::SMPP::CMD_deliver_sm() } = \&receive;
check($smpp->enquire_link()->cmd == Net::SMPP::CMD_enquire_link_resp(), 'enquire_link is answered');

my @taken;

sub submit {
    my ($destination, $text, $expected, $what) = @_;
    my $answer = $smpp->submit_sm(
        source_addr_ton     => 0,
        source_addr_npi     => 1,
        source_addr         => $source,
        dest_addr_ton       => 1,
        dest_addr_npi       => 1,
        destination_addr    => $destination,
        data_coding         => 8,
        registered_delivery => 1,
        short_message       => encode('UTF-16BE', $text),
        operator_id         => $vendor,                     # the one vendor TLV that Net::SMPP knows, 0x1402
    );
    my $status = $answer ? $answer->status : -1;
    check($status == $expected, sprintf '%s: 0x%02x', $what, $status);
    push @taken, $answer->message_id if $status == 0;
    return;
}

submit($number,     text_of(65), 0,         '65 characters are taken');
submit($number + 1, text_of(66), $too_long, '66 characters are answered');
submit($number,     text_of(40), $second,   'a second message is answered');
submit($number + 1, text_of(65), 0,         'a refusal leaves nothing behind') if $too_long != 0;

# enquire_link is a way to read what has come in the meantime.
for (1 .. 50) {
    last if keys %receipts >= @taken;
    select undef, undef, undef, 0.1;
    $smpp->enquire_link();
}
my @missing = grep { !$receipts{$_} } @taken;
check(@missing == 0 && keys %receipts == @taken, scalar(@taken) . ' receipts, one for each message taken');
check(!(grep { $_->{esm_class} != 0x04 } values %receipts), 'receipts have esm_class 0x04');

if ($journal) {
    my $digits = unpack 'H*', $number;
    my $tlv    = unpack 'H*', pack('nna*', 0x1402, length $vendor, $vendor);
    open my $lines, '<', $journal or die "$journal: $!\n";
    check(scalar(grep { /^\d+ \d+ in .*$digits.*$tlv/ } <$lines>), 'the vendor TLV reached the SMSC unchanged');
}

check($smpp->unbind()->cmd == Net::SMPP::CMD_unbind_resp(), 'unbind is answered');
close $smpp;
exit($failures ? 1 : 0);
