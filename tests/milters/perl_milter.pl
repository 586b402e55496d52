# A filter on Sendmail::PMilter, which speaks an old version of the protocol: it refuses a recipient,
# adds fields, replaces a body and adds a recipient, as words of the subject say.
#     perl perl_milter.pl inet:PORT@127.0.0.1
use strict;
use warnings;
use Sendmail::PMilter qw(:all);

my %callbacks = (
    connect => sub { my ($context, $host) = @_; $context->setpriv({host => $host}); return SMFIS_CONTINUE; },
    envfrom => sub {
        my ($context, $sender) = @_;
        @{$context->getpriv}{qw(sender subject size)} = ($sender, "", 0);
        return SMFIS_CONTINUE;
    },
    envrcpt => sub {
        my ($context, $recipient) = @_;
        return SMFIS_CONTINUE unless $recipient =~ /nobody/;
        $context->setreply(550, "5.1.1", "nobody of that name");
        return SMFIS_REJECT;
    },
    header => sub {
        my ($context, $name, $value) = @_;
        $context->getpriv->{subject} = $value if $name eq "Subject";
        return SMFIS_CONTINUE;
    },
    body => sub { my ($context, $part) = @_; $context->getpriv->{size} += length $part; return SMFIS_CONTINUE; },
    eom => sub {
        my ($context) = @_;
        my $message = $context->getpriv;
        return SMFIS_REJECT if $message->{subject} =~ /spam/;
        $context->addheader("X-Perl", "$message->{host} $message->{sender} $message->{size} "
                            . ($context->getsymval("i") ? "id" : "no id"));
        $context->chgheader("Subject", 1, "changed") if $message->{subject} =~ /change/;
        $context->replacebody("replaced\r\n") if $message->{subject} =~ /body/;
        $context->addrcpt("<eva\@here.example>") if $message->{subject} =~ /recipient/;
        return SMFIS_CONTINUE;
    });

my $milter = Sendmail::PMilter->new;
$milter->setconn($ARGV[0]);
$milter->register("perl", \%callbacks, SMFI_CURR_ACTS);
$milter->set_dispatcher(Sendmail::PMilter::postfork_dispatcher());
$milter->main();
