// Which attempts are under way, as the database has it: each batch that is committed has a row with
// the names of the attempts that began with it. The row goes when all of them have ended. Names
// become valid, and end, with the transaction in which that is said; what is named and ended in the
// same one, in that order, never becomes valid.
//
// A row is never changed. Where some of its attempts last long, those that have ended would stay
// named with them, and be in doubt if the node died. So what is left of an old row is carried into
// a new one. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/mail/queue_id.h"

#include "qmgr/store/facts.h"

namespace postwain::qmgr {

// The form of a row's value: 12 octets for each name, its id and its index in network order.
std::string bytes_of(const std::vector<AttemptName>& names);
// Nothing where it has another form.
std::optional<std::vector<AttemptName>> names_in(std::string_view bytes);

constexpr std::int64_t kCarriedAfter = 16;    // batches
constexpr std::size_t kCarriedAtOnce = 1000;  // names, if one row does not have more

class BatchNames {
 public:
  // Of the transaction under way.
  void add(const AttemptName& name) { added_.push_back(name); }
  void end(const AttemptName& name) { ended_.push_back({name, false, added_.size()}); }
  void end_all(mail::QueueId id) { ended_.push_back({{id, 0}, true, added_.size()}); }
  // Of all messages in these bags.
  void end_bags(std::uint64_t bags);

  // Before the transaction is sent as the batch with this number: settles what it names.
  void close(std::int64_t batch);
  std::string added() const { return bytes_of(added_); }
  // The batches whose rows go with this transaction, since nothing of them is left then.
  std::vector<std::int64_t> emptied() const;
  // Whether a batch has names.
  bool has(std::int64_t batch) const { return counts_.count(batch) > 0; }

  // The transaction was committed as the batch with this number, or was not.
  void committed(std::int64_t batch);
  void rolled_back();

  std::size_t size() const { return size_; }
  // Whether an attempt is named of a message in one of these bags.
  bool any_in(std::uint64_t bags) const;

 private:
  struct Open {
    std::uint32_t index = 0;
    std::int64_t batch = 0;
  };
  struct Count {
    std::size_t open = 0;
    std::size_t named = 0;
  };
  struct Ended {
    AttemptName name;
    bool all = false;
    std::size_t after = 0;  // so many names of the same transaction came before it
  };
  static bool is_ended(const Ended& ended, const Open& open) {
    return ended.all || ended.name.index == open.index;
  }
  void drop_ended_at_once();
  void carry(std::int64_t batch);
  // How many names each batch loses with this transaction.
  std::map<std::int64_t, std::size_t> losses() const;

  std::unordered_map<mail::QueueId, std::vector<Open>> open_;
  std::map<std::int64_t, Count> counts_;  // by batch
  std::size_t size_ = 0;
  std::vector<AttemptName> added_;
  std::vector<Ended> ended_;
  std::set<std::int64_t> carried_;  // batches whose open names are among those that are added
};

}  // namespace postwain::qmgr
