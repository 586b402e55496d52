# Signs and verifies messages with Mail::DKIM, DKIM and ARC, for tests that ask our engines the
# same. It answers requests from its standard input; each is a line, and then so many octets:
#     sign OCTETS FORMS KEYFILE DOMAIN SELECTOR            verify OCTETS RECORD
#     arc-seal OCTETS CHAIN KEYFILE DOMAIN SELECTOR        arc-verify OCTETS RECORD
# The answer is the size of the fields, a line end, and the fields; or a line with the result.
# RECORD is the TXT record of every name, with "_" for each blank. The results that arc-seal seals
# are those of mx.example in the message.
use strict;
use warnings;

use Mail::DKIM::ARC::Signer;
use Mail::DKIM::ARC::Verifier;
use Mail::DKIM::DNS;
use Mail::DKIM::Signer;
use Mail::DKIM::Verifier;
use Net::DNS::RR;

my $record;

{
    no warnings 'redefine';
    *Mail::DKIM::DNS::query = sub {
        my ($name, $type) = @_;
        return unless $type eq 'TXT';
        return Net::DNS::RR->new(owner => $name, type => 'TXT', txtdata => $record);
    };
}

sub signed {
    my ($message, $forms, $key, $domain, $selector) = @_;
    my $signer = Mail::DKIM::Signer->new(Algorithm => 'rsa-sha256', Method => $forms,
        Domain => $domain, Selector => $selector, KeyFile => $key);
    $signer->PRINT($message);
    $signer->CLOSE;
    my $field = $signer->signature->as_string . "\r\n";
    print length($field), "\n", $field;
}

sub sealed {
    my ($message, $chain, $key, $domain, $selector) = @_;
    my $signer = Mail::DKIM::ARC::Signer->new(Algorithm => 'rsa-sha256', Chain => $chain,
        Domain => $domain, SrvId => 'mx.example', Selector => $selector, KeyFile => $key);
    $signer->PRINT($message);
    $signer->CLOSE;
    my $fields = $signer->as_string;
    $fields .= "\r\n" unless $fields =~ /\r\n\z/;
    print length($fields), "\n", $fields;
}

sub chain_of {
    my ($message) = @_;
    my $verifier = Mail::DKIM::ARC::Verifier->new;
    $verifier->PRINT($message);
    $verifier->CLOSE;
    print $verifier->result, "\n";
}

sub verified {
    my ($message) = @_;
    my $verifier = Mail::DKIM::Verifier->new;
    $verifier->PRINT($message);
    $verifier->CLOSE;
    print join(' ', map { $_->result } $verifier->signatures), "\n";
}

binmode STDIN;
binmode STDOUT;
$| = 1;
while (my $line = <STDIN>) {
    chomp $line;
    my ($word, $size, @more) = split / /, $line;
    my $message = '';
    read(STDIN, $message, $size) == $size or die "the message ends too early\n" if $size > 0;
    if ($word eq 'sign') {
        signed($message, @more);
    } elsif ($word eq 'arc-seal') {
        sealed($message, @more);
    } else {
        ($record = $more[0]) =~ tr/_/ /;
        $word eq 'verify' ? verified($message) : chain_of($message);
    }
}
