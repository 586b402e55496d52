#include "qmgr/judging/filter_outcomes.h"

#include <algorithm>
#include <utility>

#include "qmgr/verdicts/gate.h"

namespace postwain::qmgr {

namespace {

mail::Outcome outcome_of_filter(mail::Disposition disposition, mail::Stage stage,
                                mail::Reply reply) {
  mail::Outcome outcome;
  outcome.disposition = disposition;
  outcome.stage = stage;
  outcome.blame = mail::Blame::message;
  outcome.reply = std::move(reply);
  bound(outcome);
  return outcome;
}

}  // namespace

mail::Outcome refused_by(const std::string& filter, mail::Reply reply) {
  if (!reply.permanent()) reply = {550, {5, 7, 1}, reply.text};
  mail::Outcome outcome =
      outcome_of_filter(mail::Disposition::failed, mail::Stage::final_reply, std::move(reply));
  outcome.remote_host = filter.empty() ? "filter" : "filter " + filter;
  return outcome;
}

mail::Outcome put_off_by(const std::string& filter, const mail::Reply& reply) {
  mail::Outcome outcome =
      outcome_of_filter(mail::Disposition::deferred, mail::Stage::connect, reply);
  std::string who = filter.empty() ? "its filters" : "filter " + filter;
  outcome.remote_host = filter.empty() ? "filter" : who;
  outcome.reply.text = "waits for " + who + ": " + reply.text;
  return outcome;
}

Duration pause_after(std::uint32_t attempts) {
  Duration pause = kFilterPauseMin;
  for (std::uint32_t i = 1; i < attempts && pause < kFilterPauseMax; ++i) pause *= 2;
  return std::min(pause, kFilterPauseMax);
}

Judged without_filters(config::FilterFailure on_failure) {
  Judged instead;
  switch (on_failure) {
    case config::FilterFailure::accept:
      break;
    case config::FilterFailure::hold:
      instead.result.hold = "held: no filter could be asked";
      break;
    case config::FilterFailure::defer:
      instead.result.verdict = ipc::FilterVerdict::defer;
      instead.result.reply = {451, {4, 7, 1}, "the filter process cannot be asked"};
      break;
    case config::FilterFailure::refuse:
      instead.result.verdict = ipc::FilterVerdict::refuse;
      instead.result.reply = {554, {5, 7, 1}, "the filters of this system cannot be asked"};
      break;
  }
  return instead;
}

}  // namespace postwain::qmgr
