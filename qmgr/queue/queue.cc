#include "qmgr/queue/queue.h"

namespace postwain::qmgr {

namespace {

std::string folder_above(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

}  // namespace

Queue::Known::Known(QueueCore& core)
    : mx_sets(core),
      sts_policies(core),
      destinations(core, split, mx_sets),
      breakers(core, destinations) {}

Queue::Entering::Entering(Queue& queue, const RetryTerms& terms)
    : put_back(queue.core_, queue.known_.destinations),
      suspensions(queue.core_, queue.known_.destinations, queue.known_.split, put_back),
      waits(queue.core_, queue.known_.split, suspensions, queue.known_.breakers),
      notices(queue.core_, queue.known_.destinations),
      offering(
          queue.core_, queue.known_.destinations, terms, put_back,
          [&queue](mail::QueueId id, const std::vector<std::uint32_t>& indices) {
            queue.leaving_.settling.settle_decided(id, indices);
          },
          [&queue] { queue.judging_.look(); }),
      early_names(queue.core_),
      acceptance(queue.core_, queue.known_.destinations, notices, offering, early_names,
                 queue.content_),
      refilling(queue.core_, queue.known_.destinations, terms, queue.blocked_, put_back) {}

Queue::Leaving::Leaving(Queue& queue)
    : after_commit(
          queue.core_, queue.known_.destinations, queue.entering_.put_back,
          queue.entering_.offering, queue.content_,
          [this](mail::QueueId id) { operator_actions.attempts_ended(id); },
          [&queue] { queue.judging_.look(); }),
      settling(queue.core_, queue.terms_, queue.entering_.notices, after_commit),
      late_outcomes(queue.core_, queue.known_.destinations, queue.terms_, queue.entering_.put_back,
                    settling, queue.blocked_,
                    [this](mail::QueueId id) { operator_actions.attempts_ended(id); }),
      operator_actions(queue.core_, queue.known_.destinations, settling, late_outcomes,
                       queue.blocked_,
                       [&queue](mail::QueueId id) { queue.judging_.operator_acted(id); }),
      leasing(queue.core_, settling, queue.known_.breakers) {}

Queue::Queue(net::Loop& loop, Clock& clock, StoreService& store, ContentFolder files,
             ObservedTime observed, const config::Config& config, QueueHooks hooks)
    : recorder_(loop, folder_above(files.path()), config.queue.history),
      core_(clock, store, recorder_, std::move(hooks)),
      content_(loop, std::move(files), store),
      clock_watch_(core_, std::move(observed)),
      terms_(core_, clock_watch_.observed()),
      known_(core_),
      entering_(*this, terms_),
      leaving_(*this),
      judging_(core_, terms_, entering_.acceptance, leaving_.settling, content_),
      totals_(core_),
      start_(core_, {known_.mx_sets, known_.sts_policies, known_.breakers, known_.destinations,
                     entering_.suspensions, entering_.put_back, leaving_.late_outcomes,
                     leaving_.leasing, judging_, totals_}),
      bags_(core_, start_, entering_.put_back, judging_, totals_),
      piece_sweep_(core_, content_) {
  configure(config);
}

Queue::~Queue() {
  finish();
}

void Queue::configure(const config::Config& config) {
  core_.config = config;
  core_.router = std::make_unique<Router>(core_.config);
  core_.rewriter = std::make_unique<rewrite::Rewriter>(core_.config.addresses, core_.config.srs);
  core_.forwarding = std::make_unique<Forwarding>(core_.config, *core_.router);
  core_.scheduler.configure(core_.config.queue.retry, core_.config.queue.retry_lmtp);
  recorder_.history().configure(core_.config.queue.history);
  if (start_.complete()) judging_.look();
  entering_.put_back.withdraw_all([](const WorkingRecipient&) { return true; });
  core_.hooks.on_work();
}

void Queue::advance() {
  WallTime now = core_.clock.wall();
  entering_.suspensions.end_over(now);
  core_.scheduler.advance(now);
  core_.store.set_pressure(core_.scheduler.moving_jobs(),
                           cpu_pressure_.percent(core_.clock.mono()));
  known_.breakers.advance();
  entering_.refilling.advance();
  leaving_.settling.settle_untried(
      [this](const std::string& destination) { return known_.breakers.reason_at(destination); });
}

void Queue::finish() {
  if (!core_.finishing) leaving_.settling.finish();
  core_.finishing = true;
  judging_.stop();
  start_.stop();
  piece_sweep_.stop();
  // Content files first: what they complete may still write rows.
  content_.finish();
  core_.store.finish();
  recorder_.history().finish();
}

}  // namespace postwain::qmgr
