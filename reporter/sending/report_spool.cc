#include "reporter/sending/report_spool.h"

#include <cerrno>
#include <cstdio>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "common/base/text.h"
#include "common/log/log.h"
#include "common/tls/sha256.h"

namespace postwain::reporter {

namespace {

using nlohmann::json;

constexpr const char* kCountsFile = "tally.jsonl";
constexpr std::size_t kCountsMax = 1U << 30;
constexpr std::size_t kLetterMax = 64U << 20;
constexpr std::string_view kReportEnding = ".letter";

std::string text_of(const PendingReport& pending) {
  json out = {{"to", pending.uri.text()},
              {"domain", pending.domain},
              {"day", pending.day.time_since_epoch().count()},
              {"report", pending.report},
              {"octets_max", pending.octets_max},
              {"made", pending.made.time_since_epoch().count()}};
  return out.dump(1, ' ', true, json::error_handler_t::replace) + "\n";
}

bool read_letter(const std::string& text, PendingReport& pending) {
  try {
    json in = json::parse(text);
    auto uri = parse_place(in.at("to").get<std::string>());
    if (!uri) return false;
    pending.uri = std::move(*uri);
    in.at("domain").get_to(pending.domain);
    in.at("report").get_to(pending.report);
    pending.octets_max = in.value("octets_max", std::uint64_t{0});
    pending.day = Day(std::chrono::days(in.at("day").get<int>()));
    pending.made = WallTime(std::chrono::milliseconds(in.at("made").get<std::int64_t>()));
    return true;
  } catch (const json::exception&) {
    return false;
  }
}

}  // namespace

std::string PendingReport::name() const {
  constexpr std::size_t kEnough = 12;  // octets
  std::string hash = tls::sha256(name_of(day) + " " + domain + " " + uri.text());
  return hex_encode(hash.substr(0, kEnough)) + std::string(kReportEnding);
}

Result<bool> ReportSpool::lock() {
  std::string path = folder_ + "/lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return system_error(path, errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return false;
    return system_error(path, errno);
  }
  lock_ = std::move(fd);
  return true;
}

Result<std::string> ReportSpool::counts() const {
  std::string path = folder_ + "/" + kCountsFile;
  auto text = read_small_file(path, kCountsMax);
  if (!text && text.error().code == ENOENT) return std::string();
  // Kept for a person to look at: the next one is written over it.
  if (!text) (void)::rename(path.c_str(), (path + ".bad").c_str());
  return text;
}

Status ReportSpool::save_counts(std::string_view text) const {
  return write(kCountsFile, text);
}

Status ReportSpool::put(const PendingReport& pending) const {
  return write(pending.name(), text_of(pending));
}

void ReportSpool::remove(const std::string& name) const {
  (void)::unlink((folder_ + "/" + name).c_str());
}

Status ReportSpool::write(const std::string& name, std::string_view text) const {
  std::string path = folder_ + "/" + name;
  std::string beside = path + ".new";
  UniqueFd fd(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return system_error(beside, errno);
  if (Status done = write_all(fd.get(), text); !done) return done;
  if (::fdatasync(fd.get()) != 0 || ::rename(beside.c_str(), path.c_str()) != 0)
    return system_error(path, errno);
  return {};
}

std::vector<PendingReport> ReportSpool::pending_reports() const {
  std::vector<PendingReport> out;
  std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(folder_.c_str()), ::closedir);
  while (const dirent* entry = folder ? ::readdir(folder.get()) : nullptr) {
    std::string name = entry->d_name;
    bool is_letter =
        name.size() > kReportEnding.size() &&
        name.compare(name.size() - kReportEnding.size(), std::string::npos, kReportEnding) == 0;
    if (!is_letter || out.size() >= kReportsMax) continue;
    std::string path = folder_ + "/" + name;
    auto text = read_small_file(path, kLetterMax);
    PendingReport pending;
    if (text && read_letter(*text, pending) && pending.name() == name) {
      out.push_back(std::move(pending));
      continue;
    }
    bool tls = subject_ == ReportSubject::tls;
    log::Line(log::Level::warning, tls ? "tls_report_unreadable" : "dmarc_report_unreadable")
        .kv("file", path);
    (void)::rename(path.c_str(), (path + ".bad").c_str());
  }
  return out;
}

}  // namespace postwain::reporter
