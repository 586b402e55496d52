// SharedQueue on PostgreSQL. What it changes goes out as one flight of commands, with the fence of
// the own lane, so that a process that stops in between holds no lock on another node's rows.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "qmgr/store/postgres/session/pg_session.h"
#include "qmgr/store/shared_queue.h"

namespace postwain::qmgr {

class PgCluster final : public SharedQueue {
 public:
  explicit PgCluster(PgSession& session) : session_(session) {}

  Self self() const override;
  std::uint64_t own_bags() const override { return session_.bags().own(); }
  const std::vector<AttemptName>& inherited() const override { return session_.inherited(); }
  void hide_bags(std::uint64_t bags) override { session_.bags().hide(bags); }
  void look_only_at(std::optional<std::uint64_t> bags) override {
    session_.bags().look_only_at(bags);
  }
  void receive(std::uint64_t bags) override;
  StoreResult<bool> fence(std::uint8_t node, std::int64_t term, std::int64_t beat) override;
  StoreResult<Adopted> adopt(std::optional<Dead> from, std::uint64_t bags) override;
  StoreResult<bool> give(std::uint8_t bag, std::uint8_t to) override;
  StoreResult<bool> set_stay(const std::string& node, bool stay) override;
  StoreResult<bool> forget(const std::string& node) override;
  StoreStatus leave() override;

 private:
  // One transaction of these, whose conditions fail by a division by zero: false then.
  StoreResult<bool> change(std::vector<PgCommand> commands);
  StoreResult<bool> change_rows(Pg statement, PgParameters parameters);

  PgSession& session_;
};

}  // namespace postwain::qmgr
