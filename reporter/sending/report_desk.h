// One kind of reports from count to letter: keeps what is counted in its folder, makes the reports
// of the days that are over, each domain's at its own moment, and has them sent.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/ipc/reporter_report.h"
#include "common/net/loop.h"
#include "reporter/sending/report_sender.h"

namespace postwain::reporter {

constexpr Duration kSaveEvery = std::chrono::seconds(60);
constexpr Duration kAskAgain = std::chrono::minutes(10);  // where the DNS had no answer
constexpr std::size_t kAskedMax = 20;                     // domains at once

struct DeskSetup {
  Submitter submitter;
  std::optional<Signer> signer;  // of reports by mail; nothing: they are signed on their way
  std::string folder;
  Duration spread{};  // reports of a day leave within this time behind it
};

class ReportDesk {
 public:
  struct Parts {
    net::Loop& loop;
    const config::Config& config;
    dns::Resolver& resolver;
    http::Fetcher& fetcher;
  };
  using MakeKind =
      std::function<std::unique_ptr<ReportKind>(dns::Resolver& resolver, const Submitter&)>;
  ReportDesk(Parts parts, DeskSetup setup, const MakeKind& make_kind);
  ~ReportDesk();
  ReportDesk(const ReportDesk&) = delete;
  ReportDesk& operator=(const ReportDesk&) = delete;

  // Takes the folder, unless the process before us has it still. Whether it is ours by now.
  bool begin();
  // A frame from qmgr. False: it is malformed. What is not for this desk is passed over.
  bool frame(ipc::FrameType type, std::string_view payload);
  ReportSender& sender() { return sender_; }
  // Everything that is due. Called every now and then, once it has begun.
  void look();
  void save();
  // Since the last call, and how many reports wait now.
  ipc::ReporterCounts take_counts();
  ipc::ReportTopic topic() const;

 private:
  void note(const std::string& error) const;
  bool is_due(const DueReport& due, WallTime now) const;
  void ask(const DueReport& due);
  void answered(const DueReport& due, const ReportPlaces& found);
  void make(const DueReport& due, const std::vector<ReportPlace>& places);
  void forget(const DueReport& due);

  net::Loop& loop_;
  DeskSetup setup_;
  std::unique_ptr<ReportKind> kind_;
  ReportSpool spool_;
  ReportSender sender_;
  std::map<std::pair<Day, std::string>, MonoTime> ask_again_;
  std::uint64_t results_ = 0;  // since take_counts()
  std::size_t asked_ = 0;
  bool begun_ = false;  // the folder is ours alone
  bool changed_ = false;
  MonoTime saved_at_{};
};

}  // namespace postwain::reporter
