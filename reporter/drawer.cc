#include "reporter/drawer.h"

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
#include "common/tls/signing_key.h"

namespace postwain::reporter {

namespace {

using nlohmann::json;

constexpr const char* kTallyFile = "tally.jsonl";
constexpr std::size_t kTallyMax = 1U << 30;
constexpr std::string_view kLetterEnding = ".letter";

std::string text_of(const Letter& letter) {
  json out = {{"to", letter.place.text()},
              {"domain", letter.domain},
              {"day", letter.day.time_since_epoch().count()},
              {"report", letter.report},
              {"made", letter.made.time_since_epoch().count()}};
  return out.dump(1, ' ', true, json::error_handler_t::replace) + "\n";
}

bool read_letter(const std::string& text, Letter& letter) {
  try {
    json in = json::parse(text);
    auto place = parse_place(in.at("to").get<std::string>());
    if (!place) return false;
    letter.place = std::move(*place);
    in.at("domain").get_to(letter.domain);
    in.at("report").get_to(letter.report);
    letter.day = Day(std::chrono::days(in.at("day").get<int>()));
    letter.made = WallTime(std::chrono::milliseconds(in.at("made").get<std::int64_t>()));
    return true;
  } catch (const json::exception&) {
    return false;
  }
}

}  // namespace

std::string Letter::name() const {
  constexpr std::size_t kEnough = 12;  // octets
  std::string hash = tls::sha256(name_of(day) + " " + domain + " " + place.text());
  return hex_encode(hash.substr(0, kEnough)) + std::string(kLetterEnding);
}

Result<bool> Drawer::lock() {
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

Result<std::string> Drawer::tally() const {
  std::string path = folder_ + "/" + kTallyFile;
  auto text = read_small_file(path, kTallyMax);
  if (!text && text.error().code == ENOENT) return std::string();
  // Kept for a person to look at: the next one is written over it.
  if (!text) (void)::rename(path.c_str(), (path + ".bad").c_str());
  return text;
}

Status Drawer::save_tally(std::string_view text) const {
  return write(kTallyFile, text);
}

Status Drawer::put(const Letter& letter) const {
  return write(letter.name(), text_of(letter));
}

void Drawer::remove(const std::string& name) const {
  (void)::unlink((folder_ + "/" + name).c_str());
}

Status Drawer::write(const std::string& name, std::string_view text) const {
  std::string path = folder_ + "/" + name;
  std::string beside = path + ".new";
  UniqueFd fd(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return system_error(beside, errno);
  if (Status done = write_all(fd.get(), text); !done) return done;
  if (::fdatasync(fd.get()) != 0 || ::rename(beside.c_str(), path.c_str()) != 0)
    return system_error(path, errno);
  return {};
}

std::vector<Letter> Drawer::letters() const {
  std::vector<Letter> out;
  std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(folder_.c_str()), ::closedir);
  while (const dirent* entry = folder ? ::readdir(folder.get()) : nullptr) {
    std::string name = entry->d_name;
    bool is_letter =
        name.size() > kLetterEnding.size() &&
        name.compare(name.size() - kLetterEnding.size(), std::string::npos, kLetterEnding) == 0;
    if (!is_letter || out.size() >= kLettersMax) continue;
    std::string path = folder_ + "/" + name;
    auto text = read_small_file(path);
    Letter letter;
    if (text && read_letter(*text, letter) && letter.name() == name) {
      out.push_back(std::move(letter));
      continue;
    }
    log::Line(log::Level::warning, "tls_report_unreadable").kv("file", path);
    (void)::rename(path.c_str(), (path + ".bad").c_str());
  }
  return out;
}

}  // namespace postwain::reporter
