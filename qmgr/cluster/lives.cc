#include "qmgr/cluster/lives.h"

namespace postwain::qmgr::cluster {

namespace {

template <class State, class Event, class Action>
struct Rule {
  State from;
  Event event;
  State to;
  Action action;
};

template <class State, class Event, class Action, std::size_t n>
Step<State, Action> look_up(const Rule<State, Event, Action> (&rules)[n], State state,
                            Event event) {
  for (const auto& rule : rules)
    if (rule.from == state && rule.event == event) return {rule.to, rule.action, true};
  return {state, Action::none, false};
}

using NodeRule = Rule<NodeLife, NodeEvent, NodeAction>;
constexpr NodeRule kNodeRules[] = {
    {NodeLife::out, NodeEvent::registration_sent, NodeLife::registering, NodeAction::none},
    {NodeLife::registering, NodeEvent::registered, NodeLife::live, NodeAction::none},
    {NodeLife::registering, NodeEvent::registration_refused, NodeLife::out,
     NodeAction::refuse_start},
    {NodeLife::registering, NodeEvent::registration_lost, NodeLife::out,
     NodeAction::send_registration},
    {NodeLife::live, NodeEvent::word_came, NodeLife::live, NodeAction::none},
    {NodeLife::live, NodeEvent::word_too_old, NodeLife::unsure, NodeAction::none},
    {NodeLife::live, NodeEvent::drain_wanted, NodeLife::draining, NodeAction::none},
    {NodeLife::unsure, NodeEvent::word_came, NodeLife::live, NodeAction::none},
    {NodeLife::unsure, NodeEvent::word_too_old, NodeLife::unsure, NodeAction::none},
    // Its row says that it drains; when the word is good again it goes on with that.
    {NodeLife::unsure, NodeEvent::drain_wanted, NodeLife::draining, NodeAction::none},
    {NodeLife::draining, NodeEvent::word_came, NodeLife::draining, NodeAction::none},
    {NodeLife::draining, NodeEvent::word_too_old, NodeLife::draining, NodeAction::none},
    {NodeLife::draining, NodeEvent::drain_wanted, NodeLife::draining, NodeAction::none},
    {NodeLife::draining, NodeEvent::drained, NodeLife::out, NodeAction::leave},
    {NodeLife::live, NodeEvent::fence_met, NodeLife::fenced, NodeAction::end_process},
    {NodeLife::unsure, NodeEvent::fence_met, NodeLife::fenced, NodeAction::end_process},
    {NodeLife::draining, NodeEvent::fence_met, NodeLife::fenced, NodeAction::end_process},
    {NodeLife::fenced, NodeEvent::fence_met, NodeLife::fenced, NodeAction::none},
};

using BagRule = Rule<BagLife, BagEvent, BagAction>;
constexpr BagRule kBagRules[] = {
    {BagLife::foreign, BagEvent::became_own, BagLife::unread, BagAction::read_doubts},
    {BagLife::foreign, BagEvent::became_foreign, BagLife::foreign, BagAction::none},
    {BagLife::unread, BagEvent::became_own, BagLife::unread, BagAction::none},
    {BagLife::unread, BagEvent::doubts_marked, BagLife::open, BagAction::start_lending},
    {BagLife::unread, BagEvent::became_foreign, BagLife::foreign, BagAction::forget},
    {BagLife::open, BagEvent::became_own, BagLife::open, BagAction::none},
    {BagLife::open, BagEvent::give_decided, BagLife::giving, BagAction::stop_lending},
    {BagLife::open, BagEvent::became_foreign, BagLife::foreign, BagAction::forget},
    {BagLife::giving, BagEvent::became_own, BagLife::giving, BagAction::none},
    {BagLife::giving, BagEvent::give_decided, BagLife::giving, BagAction::none},
    {BagLife::giving, BagEvent::give_abandoned, BagLife::open, BagAction::start_lending},
    {BagLife::giving, BagEvent::became_foreign, BagLife::foreign, BagAction::forget},
};

using AttemptRule = Rule<AttemptLife, AttemptEvent, AttemptAction>;
constexpr AttemptRule kAttemptRules[] = {
    {AttemptLife::picked, AttemptEvent::name_sent, AttemptLife::naming, AttemptAction::none},
    {AttemptLife::naming, AttemptEvent::name_committed, AttemptLife::named,
     AttemptAction::send_lease},
    {AttemptLife::naming, AttemptEvent::name_refused, AttemptLife::picked,
     AttemptAction::send_name},
    {AttemptLife::named, AttemptEvent::lease_sent, AttemptLife::lent, AttemptAction::await_outcome},
    {AttemptLife::lent, AttemptEvent::outcome_came, AttemptLife::ended, AttemptAction::settle},
    {AttemptLife::ended, AttemptEvent::settle_sent, AttemptLife::settling, AttemptAction::none},
    {AttemptLife::settling, AttemptEvent::settle_committed, AttemptLife::settled,
     AttemptAction::none},
    {AttemptLife::settling, AttemptEvent::settle_refused, AttemptLife::ended,
     AttemptAction::settle},
};

using BatchRule = Rule<BatchLife, BatchEvent, BatchAction>;
constexpr BatchRule kBatchRules[] = {
    {BatchLife::built, BatchEvent::sent, BatchLife::sent, BatchAction::await_answer},
    {BatchLife::sent, BatchEvent::commit_tag, BatchLife::committed, BatchAction::tell_committed},
    {BatchLife::sent, BatchEvent::commit_warned, BatchLife::in_doubt, BatchAction::retake},
    {BatchLife::sent, BatchEvent::rollback_tag, BatchLife::refused, BatchAction::tell_refused},
    {BatchLife::sent, BatchEvent::error, BatchLife::refused, BatchAction::tell_refused},
    {BatchLife::sent, BatchEvent::fence_failed, BatchLife::fenced, BatchAction::end_process},
    {BatchLife::sent, BatchEvent::connection_lost, BatchLife::in_doubt, BatchAction::retake},
    {BatchLife::sent, BatchEvent::silent, BatchLife::in_doubt, BatchAction::retake},
    {BatchLife::in_doubt, BatchEvent::retake_sent, BatchLife::retaking, BatchAction::await_retake},
    {BatchLife::in_doubt, BatchEvent::connection_lost, BatchLife::in_doubt, BatchAction::none},
    {BatchLife::retaking, BatchEvent::retake_found, BatchLife::committed,
     BatchAction::tell_committed},
    {BatchLife::retaking, BatchEvent::retake_missing, BatchLife::built, BatchAction::send},
    {BatchLife::retaking, BatchEvent::retake_no_row, BatchLife::fenced, BatchAction::end_process},
    {BatchLife::retaking, BatchEvent::retake_lost, BatchLife::in_doubt, BatchAction::retake},
    {BatchLife::retaking, BatchEvent::connection_lost, BatchLife::in_doubt, BatchAction::retake},
    {BatchLife::retaking, BatchEvent::silent, BatchLife::in_doubt, BatchAction::retake},
    {BatchLife::fenced, BatchEvent::connection_lost, BatchLife::fenced, BatchAction::none},
    {BatchLife::committed, BatchEvent::connection_lost, BatchLife::committed, BatchAction::none},
    {BatchLife::refused, BatchEvent::connection_lost, BatchLife::refused, BatchAction::none},
};

}  // namespace

Step<NodeLife, NodeAction> next(NodeLife state, NodeEvent event) {
  return look_up(kNodeRules, state, event);
}

Step<BagLife, BagAction> next(BagLife state, BagEvent event) {
  return look_up(kBagRules, state, event);
}

Step<AttemptLife, AttemptAction> next(AttemptLife state, AttemptEvent event) {
  return look_up(kAttemptRules, state, event);
}

Step<BatchLife, BatchAction> next(BatchLife state, BatchEvent event) {
  return look_up(kBatchRules, state, event);
}

}  // namespace postwain::qmgr::cluster
