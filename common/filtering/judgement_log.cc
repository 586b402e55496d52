#include "common/filtering/judgement_log.h"

#include "common/log/log.h"

namespace postwain::filtering {

void log_judgements(mail::QueueId id, const ipc::FilterResult& result) {
  for (const ipc::FilterJudgement& one : result.judgements) {
    if (one.filter.empty()) continue;  // no filter has said anything
    log::Line line(log::Level::info, "filtered");
    line.kv("id", id.text())
        .kv("filter", one.filter)
        .kv("stage", name_of(one.stage))
        .kv("verdict", one.hold ? "hold" : name_of(one.verdict))
        .kv("ms", one.milliseconds)
        .kv("edits", one.edits);
    if (one.edits_not_allowed > 0) line.kv("not_allowed", one.edits_not_allowed);
    if (one.watch) line.kv("watch", true);
    if (one.failure != ipc::FilterFailure::none) line.kv("failure", name_of(one.failure));
    if (!one.text.empty()) line.kv("text", one.text);
  }
}

}  // namespace postwain::filtering
