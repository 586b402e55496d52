// The cluster as those see it who serve operators: how it looks from here, and what may be asked of
// it. Without a cluster there is no such port.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "common/mail/queue_id.h"

#include "qmgr/model/cluster_view.h"

namespace postwain::qmgr {

class ClusterPort {
 public:
  virtual ~ClusterPort() = default;

  virtual ClusterView view() const = 0;
  // As the last beat has read it. Nothing: nobody has the bag, or he who had it is gone.
  virtual std::optional<std::uint8_t> owner_of(mail::QueueId id) const = 0;
  virtual std::uint8_t self() const = 0;
  // Its term has not been ended, as far as the last beat knows.
  virtual bool is_live(std::uint8_t node) const = 0;
  // "mx2", or a number in words of a node that is not known.
  virtual std::string name_of(std::uint8_t node) const = 0;

  // Told once on the loop, perhaps before the call returns, and never when this port has gone.
  using Done = std::function<void(const std::string& error)>;  // empty: done
  // node: a name. All of these write what is wished into the database, and look there again whether
  // it still may be done.
  virtual void set_stay(const std::string& node, bool stay, Done done) = 0;
  // Its term is ended at once. Only for a machine that is known to be dead.
  virtual void fence(const std::string& node, Done done) = 0;
  // It is forgotten: a node that is gone, and has no bags. Its number is free then.
  virtual void leave(const std::string& node, Done done) = 0;
};

}  // namespace postwain::qmgr
