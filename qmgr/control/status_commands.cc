#include "qmgr/control/status_commands.h"

#include <utility>

#include <unistd.h>

#include "common/base/sysexits.h"

#include "qmgr/control/json/answer_json.h"
#include "qmgr/control/json/queue_shape.h"
#include "qmgr/control/metrics/metrics_text.h"
#include "qmgr/store/queue_walk.h"

namespace postwain::qmgr {

// One count on its way through the store.
struct StatusCommands::Survey {
  Asker asker;
  mail::QueueId last;  // what comes later is not part of it
  SurveyCursor at{};
  QueueShape shape{wall_now()};
  std::size_t in_doubt = 0;
  WallTime oldest{};
};

StatusCommands::StatusCommands(Queue& queue, const Delivery& delivery, OperatorPeers& peers,
                               const QueueView& view, std::function<ipc::Admission()> admission,
                               Boards boards)
    : queue_(queue),
      delivery_(delivery),
      peers_(peers),
      view_(view),
      admission_(std::move(admission)),
      boards_(boards) {
  report_.processes.push_back({"qmgr", ::getpid()});
}

void StatusCommands::processes(Asker asker, const Command& command) {
  report_ = command.report;
  peers_.reply(asker, json_ok());
}

QueueStatus StatusCommands::now() const {
  QueueStatus status;
  ipc::Admission admission = admission_();
  status.supervisor = report_;
  status.messages = queue_.totals().counts().messages();
  status.recipients = queue_.totals().counts().recipients();
  status.counted = queue_.totals().counts().complete();
  status.groups = queue_.totals().counts().groups();
  status.oldest = queue_.totals().oldest();
  status.accepting = admission.accepting;
  status.refusal = admission.accepting ? std::string() : admission.refusal.one_line();
  status.standstill = view_.standstill();
  const auto& address = queue_.config().queue.store.address;
  status.store = address ? address->text() : "sqlite";
  status.active = delivery_.leases();
  status.in_memory = queue_.working().messages();
  status.content_bytes = queue_.working().content_bytes();
  status.wal_bytes = queue_.store().wal_bytes();
  status.history = queue_.recorder().history().status();
  if (boards_.filters != nullptr) status.filters = *boards_.filters;
  if (boards_.signer != nullptr) status.signer = *boards_.signer;
  status.srs = queue_.config().srs.wanted;
  if (boards_.reporter != nullptr) status.reporter = *boards_.reporter;
  if (boards_.cluster != nullptr) status.cluster = boards_.cluster->view();
  status.smtp_clients = delivery_.agents(Pool::smtp);
  status.lmtp_clients = delivery_.agents(Pool::lmtp);
  return status;
}

std::string StatusCommands::metrics() const {
  return metrics_text(now(), queue_.metrics(), queue_.scheduler().report(kMetricsDestinations));
}

void StatusCommands::stats(Asker asker) {
  auto survey = std::make_shared<Survey>(Survey{asker, queue_.next_id()});
  queue_.store().read([this, survey](QueueStore& store) -> StoreService::Completion {
    auto counted =
        std::make_shared<StoreResult<std::size_t>>(store.scan().in_doubt(kInDoubtCounted));
    StoreResult<mail::QueueId> first = store.scan().first_id();
    return [this, survey, counted, first] {
      if (!*counted)
        return peers_.refuse(survey->asker, counted->error().text,
                             command_exit_code(counted->error()));
      survey->in_doubt = **counted;
      if (first && first->value != 0) survey->oldest = first->made_at();
      next_window(survey);
    };
  });
}

// One piece at a time: only the store's thread or the loop touches the survey.
void StatusCommands::next_window(const std::shared_ptr<Survey>& survey) {
  queue_.store().read([this, survey](QueueStore& store) -> StoreService::Completion {
    StoreResult<bool> more =
        QueueWalk(store).survey(survey->at, survey->last, kSurveyRows,
                                [&survey](mail::QueueId id, std::string_view address) {
                                  survey->shape.add(address, id.made_at());
                                });
    return [this, survey, more] {
      if (!peers_.is_here(survey->asker.peer)) return;
      if (!more)
        return peers_.refuse(survey->asker, more.error().text, command_exit_code(more.error()));
      if (*more) return next_window(survey);
      QueueStatus status = now();
      status.oldest = survey->oldest;
      peers_.reply(survey->asker,
                   json_stats(status, survey->in_doubt, view_.destinations(kStatsDestinations),
                              survey->shape));
    };
  });
}

}  // namespace postwain::qmgr
