// One question to a worker of Rspamd: a connection of its own, on which the message goes out as it
// comes, and one answer comes back.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/net/stream.h"
#include "common/rspamd/http_reader.h"
#include "filter/dial.h"
#include "filter/filter_wait.h"
#include "filter/judge.h"
#include "filter/shared.h"

namespace postwain::filter {

class ScanConnection {
 public:
  // Connects at once. The owner is called later only; it may destroy the connection. All outlive
  // it.
  ScanConnection(Shared& shared, const config::Filter& settings, MemberOwner& owner);
  ScanConnection(const ScanConnection&) = delete;
  ScanConnection& operator=(const ScanConnection&) = delete;

  void write(std::string_view octets);
  // The question is whole: its answer is awaited from now on.
  void finish();
  bool is_finished() const { return finished_; }
  std::size_t backlog() const { return waiting_.size() + stream_.pending(); }

  // Nothing: it has not come yet. It may come before the question is whole.
  const rspamd::HttpReader* answer() const { return reader_.whole() ? &reader_ : nullptr; }
  ipc::FilterFailure failure() const { return failure_; }
  const std::string& why() const { return why_; }
  Duration waited() const { return wait_.waited(); }  // for the service

 private:
  void connected(const Status& status);
  void received(std::string_view octets);
  void ended();
  void failed(ipc::FilterFailure failure, std::string why);
  void watch(bool anew);

  Shared& shared_;
  const config::Filter& settings_;
  MemberOwner& owner_;
  rspamd::HttpReader reader_;
  std::string waiting_;  // until it is connected
  net::Stream stream_;
  FilterWait wait_;
  Dial dial_;
  bool connected_ = false;
  bool finished_ = false;
  ipc::FilterFailure failure_ = ipc::FilterFailure::none;
  std::string why_;
};

}  // namespace postwain::filter
