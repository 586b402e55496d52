// `queue stats`: the whole queue by domain and age. The store is walked in small pieces between its
// other work, so no commit waits for more than one of them.
#include "common/base/sysexits.h"

#include "qmgr/control/control.h"
#include "qmgr/control/json/answer_json.h"
#include "qmgr/control/json/queue_shape.h"
#include "qmgr/store/queue_walk.h"

namespace postwain::qmgr {

// One count on its way through the store.
struct Control::Survey {
  std::uint64_t peer;
  std::uint64_t request;
  mail::QueueId last;  // what comes later is not part of it
  SurveyCursor at{};
  QueueShape shape{wall_now()};
  std::size_t in_doubt = 0;
  WallTime oldest{};
};

void Control::stats(std::uint64_t peer, std::uint64_t request) {
  auto survey = std::make_shared<Survey>(Survey{peer, request, queue_.next_id()});
  queue_.store().read([this, survey](QueueStore& store) -> StoreWorker::Completion {
    auto counted =
        std::make_shared<StoreResult<std::size_t>>(store.scan().in_doubt(kInDoubtCounted));
    StoreResult<mail::QueueId> first = store.scan().first_id();
    return [this, survey, counted, first] {
      if (!*counted)
        return reply(survey->peer, survey->request, json_error(counted->error().text), true,
                     kExitIoError);
      survey->in_doubt = **counted;
      if (first && first->value != 0) survey->oldest = first->made_at();
      next_stretch(survey);
    };
  });
}

// One piece at a time: only the store's thread or the loop touches the survey.
void Control::next_stretch(const std::shared_ptr<Survey>& survey) {
  queue_.store().read([this, survey](QueueStore& store) -> StoreWorker::Completion {
    StoreResult<bool> more =
        QueueWalk(store).survey(survey->at, survey->last, kSurveyRows,
                                [&survey](mail::QueueId id, std::string_view address) {
                                  survey->shape.add(address, id.made_at());
                                });
    return [this, survey, more] {
      if (peers_.count(survey->peer) == 0) return;  // nobody waits any more
      if (!more)
        return reply(survey->peer, survey->request, json_error(more.error().text), true,
                     kExitIoError);
      if (*more) return next_stretch(survey);
      QueueStatus now = status();
      now.oldest = survey->oldest;
      reply(survey->peer, survey->request,
            json_stats(now, survey->in_doubt, destination_reports(kStatsDestinations),
                       survey->shape));
    };
  });
}

}  // namespace postwain::qmgr
