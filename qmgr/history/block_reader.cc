#include "qmgr/history/block_reader.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace postwain::qmgr {

namespace {

// Blocks have the time of their writer's clock, and ids that of whoever took the message in.
constexpr Duration kClocksDiffer = std::chrono::hours(1);

std::int64_t written_from(mail::QueueId id) {
  return to_unix_ms(id.made_at() - kClocksDiffer);
}

}  // namespace

struct BlockReader::Search {
  explicit Search(HistoryQuery asked) : query(std::move(asked)), meant(query) {}
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;

  HistoryQuery query;
  Answer done;
  MonoTime until{};
  std::vector<HistoryBlockTable::Last> nodes;
  std::size_t node = 0;    // the one of `nodes` whose blocks are looked at
  std::size_t blocks = 0;  // read in this look
  std::size_t found = 0;   // messages, before this node
  bool second_look = false;
  HistoryBlockTable::Search next;
  MessagesMeant meant;
  std::optional<TimelineBuilder> builder;
  bool cut = false;

  // On the keeper's thread.
  void look_at(const HistoryBlock& block, const std::string& own_name) {
    std::optional<std::string> records = records_in(block.data);
    if (!records) return;
    const std::string& teller = block.node == own_name ? std::string() : block.node;
    if (second_look)
      builder->look(*records, teller);
    else
      meant.look(*records, teller);
  }
  bool has_enough() const {
    if (second_look) return builder->full();
    // All parts of a message are wanted.
    return !mail::QueueId::parse(query.text) && meant.count() >= found + query.limit;
  }
};

void BlockReader::find(HistoryQuery query, Answer done) {
  if (searches_.size() >= kSearchesWaiting)
    return done({{}, {}, Error{"too many questions at once", EAGAIN}});
  auto search = std::make_shared<Search>(std::move(query));
  search->done = std::move(done);
  searches_.push_back(std::move(search));
  if (searches_.size() == 1) begin_next();
}

void BlockReader::begin_next() {
  if (searches_.empty()) return;
  Search& search = *searches_.front();
  search.until = mono_now() + kSearchWithin;
  for (std::uint64_t key : search.query.keys()) search.next.probes.push_back(probe_of(key));
  if (auto id = mail::QueueId::parse(search.query.text)) search.next.from = written_from(*id);
  using Nodes = StoreResult<std::vector<HistoryBlockTable::Last>>;
  keep_then(
      keeper_, [](KeeperTables& tables) { return tables.history_blocks().last_blocks(); },
      [this, here = std::weak_ptr<char>(here_)](Nodes nodes) {
        if (here.expired()) return;
        if (!nodes) return end(Error{nodes.error().text, EAGAIN});
        Search& begun = *searches_.front();
        begun.nodes = nodes.take();
        turn_to_next_node();
      });
}

// Or to the second look, or to the end.
void BlockReader::turn_to_next_node() {
  Search& search = *searches_.front();
  if (search.node >= search.nodes.size()) {
    std::vector<mail::QueueId> ids = search.meant.ids();
    if (search.second_look || ids.empty()) return end(std::nullopt);
    search.second_look = true;
    search.node = search.blocks = 0;
    search.next.probes.clear();
    for (mail::QueueId id : ids) search.next.probes.push_back(probe_of(key_of(id)));
    search.next.from = written_from(ids.back());
    search.builder.emplace(std::move(ids));
  }
  const HistoryBlockTable::Last& last = search.nodes[search.node++];
  search.next.node = last.node;
  search.next.below = last.number == INT64_MAX ? last.number : last.number + 1;
  search.found = search.meant.count();
  step();
}

void BlockReader::step() {
  std::shared_ptr<Search> search = searches_.front();
  if (mono_now() >= search->until) return end(Error{"it takes too long", EAGAIN});
  keep_then(
      keeper_,
      [search, name = name_](KeeperTables& tables) -> StoreStatus {
        auto found = tables.history_blocks().search(search->next);
        if (!found) return found.error();
        for (const HistoryBlock& block : found->blocks) search->look_at(block, name);
        search->blocks += found->blocks.size();
        search->next.below = search->has_enough() ? 0 : found->below;
        return {};
      },
      [this, search, here = std::weak_ptr<char>(here_)](const StoreStatus& status) {
        if (here.expired()) return;
        if (!status) return end(Error{status.error().text, EAGAIN});
        search->cut = search->cut || search->blocks >= kBlocksReadMost;
        if (search->next.below > 0 && search->blocks < kBlocksReadMost) return step();
        turn_to_next_node();
      });
}

void BlockReader::end(std::optional<Error> trouble) {
  std::shared_ptr<Search> search = std::move(searches_.front());
  searches_.pop_front();
  ToldElsewhere told;
  if (search->builder) told.timelines = std::move(*search->builder).timelines(search->query.text);
  told.refused = std::move(search->meant).refused();
  told.trouble = std::move(trouble);
  for (Timeline& timeline : told.timelines)
    timeline.cut = timeline.cut || search->cut || told.trouble.has_value();
  begin_next();
  search->done(std::move(told));
}

}  // namespace postwain::qmgr
