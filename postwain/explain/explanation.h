// What would happen to a message, step by step, and which line of the configuration decides each:
// the questions `postwain explain` and [[expect]] ask. The answers come from the very functions
// that smtpd and qmgr decide with. Pure; the DNS is explain_hosts.h.
#pragma once

#include <string>
#include <vector>

#include "common/config/load/bundle.h"
#include "common/mail/next_hop.h"
#include "qmgr/routing/router.h"
#include "smtpd/acceptance/policy.h"

namespace postwain::tool {

struct Question {
  std::string recipient;
  std::string sender = "someone@sender.example";  // empty: the null reverse-path
  std::string client;                             // an IP address; empty: a stranger somewhere
  std::string hello = "client.example";
  dns::ClientFacts facts;  // what the DNS says of client, hello and sender
  std::string account;     // whom the client has logged in as
  bool submission = false;
  WallTime now{};  // by which rewritten senders are made, and expire
};

struct ExplainedStep {
  std::string name;    // "client", "MAIL", "RCPT", "route", "TLS", "schedule" …
  std::string what;    // a sentence
  std::string origin;  // "FILE:LINE:COLUMN", "default"
};

enum class Decision : std::uint8_t { accept, refuse, defer };
std::string_view name_of(Decision decision);

struct Explanation {
  Decision decision = Decision::accept;
  mail::Reply reply;                 // the last one the client gets
  std::vector<ExplainedStep> steps;  // up to the route
  std::size_t decided_by = 0;        // of the steps
  // Names of those that every listener of the kind asks, in their order; none when it is refused.
  std::vector<std::string> filters;
  // [strangers] judges it before them: the client is none of ours, and the mail is accepted so far
  // and not for the postmaster.
  bool judged_as_stranger = false;
  // What holds then: limits of the client, and how the route delivers (explanation_bounds.h).
  std::vector<ExplainedStep> bounds;
  // Where what the recipient stands for goes, when that is not the recipient alone.
  struct Target {
    std::string address;
    std::string owner;  // the reverse-path there: of a list, or rewritten; empty: the sender's
    std::string destination;
  };
  std::vector<Target> targets;
  // "selector._domainkey.domain" of the keys that sign it as it leaves (explanation_signing.h).
  std::vector<std::string> signed_by;
  // Also when it is refused: where it would go; of several, the first.
  std::string destination;
  qmgr::RouteSettings route;
  std::vector<Duration> schedule;
  Duration lifetime{};
};

// The addresses are well-formed.
Explanation explain(const config::Config& config, const Question& question);

}  // namespace postwain::tool
