// Sends the pending reports of one kind: mail is handed to qmgr as any message is, reports to the
// web are posted. A report that is not taken is tried again for a day (RFC 8460 5.5), and then
// given up.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "common/config/config_fwd.h"
#include "common/daemon/qmgr_link.h"
#include "common/dns/resolver.h"
#include "common/http/fetcher.h"
#include "common/ipc/reporter_report.h"
#include "common/log/log.h"
#include "reporter/sending/mail_handover.h"
#include "reporter/sending/report_kind.h"
#include "reporter/sending/report_spool.h"
#include "reporter/sending/signature.h"
#include "reporter/sending/submitter.h"

namespace postwain::reporter {

constexpr Duration kFirstPause = std::chrono::minutes(5);  // doubles
constexpr Duration kPauseMax = std::chrono::hours(4);
constexpr Duration kTriedFor = std::chrono::hours(24);
constexpr std::size_t kOnTheirWayMax = 20;

class ReportSender {
 public:
  struct Parts {
    const config::Config& config;
    const Submitter& submitter;
    const std::optional<Signer>& signer;
    dns::Resolver& resolver;
    http::Fetcher& fetcher;
    const ReportKind& kind;
    ReportSpool& spool;
  };
  explicit ReportSender(Parts parts) : parts_(parts) {}

  // Kept on the disk first: what is taken here leaves, or its end is told in the log.
  Status take(PendingReport pending);
  void take_kept();  // those of the process before us

  // ids: of this connection, and of everybody who uses it.
  void qmgr_up(daemon::QmgrLink& link, mail::QueueIdSource& ids);
  void qmgr_down();
  // Those of other messages change nothing.
  void submitted(const ipc::SubmitResult& result);
  void stored(const ipc::ChunksStored& stored);
  // Tries what is due. Called every now and then.
  void work();
  // What became of reports since the last call, and how many wait now; nothing of results.
  ipc::ReporterCounts take_counts();

 private:
  struct Waiting {
    PendingReport pending;
    int tries = 0;
    MonoTime next{};
    bool on_its_way = false;
    mail::QueueId id;  // with qmgr
    std::optional<MailHandover> handover{};
  };

  std::map<std::string, Waiting>::iterator on_its_way(mail::QueueId id);
  void add(PendingReport pending);
  void send(const std::string& name, Waiting& waiting);
  void send_mail(const std::string& name, Waiting& waiting);
  Result<std::string> content(const PendingReport& pending, mail::QueueId id, WallTime now) const;
  mail::Envelope envelope(const PendingReport& pending) const;
  void post(const std::string& name, const Waiting& waiting);
  void taken(const std::string& name, const std::string& how);
  void refused(const std::string& name, bool for_good, const std::string& why);
  void give_up(std::map<std::string, Waiting>::iterator waiting, const std::string& why);
  bool is_tls() const { return parts_.kind.terms().subject == ReportSubject::tls; }

  Parts parts_;
  std::map<std::string, Waiting> waiting_;  // by the report's name
  ipc::ReporterCounts counts_;
  std::size_t on_their_way_ = 0;
  daemon::QmgrLink* link_ = nullptr;
  mail::QueueIdSource* ids_ = nullptr;
};

}  // namespace postwain::reporter
