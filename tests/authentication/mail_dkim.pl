# Signs and verifies messages with Mail::DKIM, for tests that ask our engine the same. It answers
# requests from its standard input; each is a line, and then so many octets:
#     sign OCTETS FORMS KEYFILE DOMAIN SELECTOR      verify OCTETS RECORD
# The answer is the field's size, a line end, and the field; or a line with the result. RECORD is
# the TXT record of every name, with "_" for each blank.
use strict;
use warnings;

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
    } else {
        ($record = $more[0]) =~ tr/_/ /;
        verified($message);
    }
}
