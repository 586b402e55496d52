// Runs the transcripts of tests/dialogs against the server engine: whole, octet by octet, at random
// cuts, and with a host that answers as late as it can. Always the same dialog must come out.
// The format is explained in tests/dialogs/README.
#include <catch2/catch.hpp>

#include <dirent.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>

#include "common/base/text.h"
#include "tests/unit/smtp/server_host.h"

using namespace postwain;
using namespace postwain::smtp;

namespace {

struct Dialog {
  ServerOptions options;
  mail::Reply final_reply{250, {2, 0, 0}, "Ok: queued"};
  mail::Reply data_reply{354, {}, "Go on"};
  mail::Reply connect_reply{220, {}, {}};
  mail::Reply header_end_reply{250, {}, {}};
  mail::Reply unknown_reply;
  std::vector<std::string> fields;      // header fields that the host is told
  std::vector<std::string> client{""};  // one piece of bytes for each stretch between TLS starts
  std::vector<std::string> server;      // lines; "…" at the end: only the beginning counts
  std::vector<std::string> messages;
  std::string closed;
  bool known = false;  // the client is one the host knows
};

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    char c = text[++i];
    if (c == 'x') {
      out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else if (c == '*') {  // \*1000a: a thousand times "a"
      std::size_t digits = text.find_first_not_of("0123456789", i + 1);
      out.append(std::stoul(std::string(text.substr(i + 1, digits - i - 1))), text[digits]);
      i = digits;
    } else {
      out += c == 'r' ? '\r' : c == 'n' ? '\n' : c == '0' ? '\0' : c;
    }
  }
  return out;
}

mail::Reply reply_of(std::string_view text) {
  mail::Reply reply;
  reply.code = std::stoi(std::string(text.substr(0, 3)));
  text = trim(text.substr(3));
  std::size_t space = std::min(text.find(' '), text.size());
  reply.enhanced = mail::EnhancedCode::parse(text.substr(0, space));
  reply.text = trim(reply.enhanced.present() ? text.substr(space) : text);
  return reply;
}

void set_option(Dialog& dialog, std::string_view text) {
  std::size_t space = std::min(text.find(' '), text.size());
  std::string key(text.substr(0, space));
  std::string value(trim(text.substr(space)));
  if (key == "lmtp")
    dialog.options.dialect = kLmtp;
  else if (key == "size")
    dialog.options.message_size = std::stoull(value);
  else if (key == "recipients")
    dialog.options.recipients = static_cast<std::uint32_t>(std::stoul(value));
  else if (key == "errors")
    dialog.options.errors = static_cast<std::uint32_t>(std::stoul(value));
  else if (key == "xclient")
    dialog.options.xclient = true;
  else if (key == "xforward")
    dialog.options.xforward = true;
  else if (key == "starttls")
    dialog.options.starttls = true;
  else if (key == "tls-required")
    dialog.options.starttls = dialog.options.tls_required = true;
  else if (key == "auth")
    dialog.options.auth = true;
  else if (key == "auth-without-tls")
    dialog.options.auth = dialog.options.auth_without_tls = true;
  else if (key == "known")
    dialog.known = true;
  else if (key == "any-hello")
    dialog.options.any_hello = true;
  else if (key == "bare")
    dialog.options.bare_origin = value;
  else if (key == "final")
    dialog.final_reply = reply_of(value);
  else if (key == "data")
    dialog.data_reply = reply_of(value);
  else if (key == "asked")
    dialog.options.ask = {true, true, true};
  else if (key == "connect")
    dialog.connect_reply = reply_of(value);
  else if (key == "header-end")
    dialog.header_end_reply = reply_of(value);
  else if (key == "unknown")
    dialog.unknown_reply = reply_of(value);
  else
    FAIL("unknown option " << key);
}

Dialog read_dialog(const std::string& path) {
  Dialog dialog;
  dialog.options.hostname = "mx.test";
  std::ifstream in(path);
  REQUIRE(in.good());
  std::string line;
  while (std::getline(in, line)) {
    if (line.empty() || line.front() == '#') continue;
    std::string_view rest = std::string_view(line).substr(std::min<std::size_t>(2, line.size()));
    switch (line.front()) {
      case '!':
        set_option(dialog, rest);
        break;
      case 'C':
        dialog.client.back() += unescape(rest) + "\r\n";
        break;
      case 'c':
        dialog.client.back() += unescape(rest);
        break;
      case 'S':
        dialog.server.emplace_back(rest);
        break;
      case 'M':
        dialog.messages.push_back(unescape(rest));
        break;
      case 'H':
        dialog.fields.push_back(unescape(rest));
        break;
      case 'T':
        dialog.client.emplace_back();
        break;
      case 'X':
        dialog.closed = rest;
        break;
      default:
        FAIL(path << ": " << line);
    }
  }
  return dialog;
}

std::vector<std::string> lines_of(const std::string& output) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < output.size();) {
    std::size_t end = output.find("\r\n", at);
    REQUIRE(end != std::string::npos);
    lines.push_back(output.substr(at, end - at));
    REQUIRE(lines.back().find_first_of("\r\n") == std::string::npos);
    at = end + 2;
  }
  return lines;
}

void compare(const Dialog& dialog, const std::vector<std::string>& got) {
  for (std::size_t i = 0; i < std::max(got.size(), dialog.server.size()); ++i) {
    INFO("line " << i + 1);
    std::string want = i < dialog.server.size() ? dialog.server[i] : "(nothing)";
    std::string have = i < got.size() ? got[i] : "(nothing)";
    const std::string mark = "...";
    bool prefix = want.size() >= 3 && want.substr(want.size() - 3) == mark;
    if (prefix) {
      want.resize(want.size() - 3);
      have.resize(std::min(have.size(), want.size()));
    }
    REQUIRE(have == want);
  }
}

// A dialog that says nothing of the questions a host may want is the same for a host that wants
// all.
Dialog asked(Dialog dialog) {
  dialog.options.ask = {true, true, true};
  return dialog;
}

// next_cut: how many octets to give at once.
void run(const Dialog& dialog, bool late, const std::function<std::size_t()>& next_cut) {
  TestHost host(dialog.options);
  bool told = dialog.options.ask.header;
  host.engine.know_client(dialog.known);
  host.late = late;
  host.final_reply = dialog.final_reply;
  host.data_reply = dialog.data_reply;
  host.connect_reply = dialog.connect_reply;
  host.header_end_reply = dialog.header_end_reply;
  host.unknown_reply = dialog.unknown_reply;
  host.strict = !dialog.fields.empty();
  host.feed({});  // nobody has to send anything to be greeted
  std::string output;
  for (std::size_t i = 0; i < dialog.client.size(); ++i) {
    if (i > 0) {
      REQUIRE(host.tls_wanted);
      host.tls_wanted = false;
      host.engine.tls_started();
    }
    const std::string& bytes = dialog.client[i];
    for (std::size_t at = 0; at < bytes.size() && !host.closed;) {
      std::size_t size = next_cut();
      host.feed(std::string_view(bytes).substr(at, size));
      at += size > bytes.size() - at ? bytes.size() - at : size;
    }
    host.settle();
    output += host.take_output();
  }
  compare(dialog, lines_of(output));
  CHECK(host.closed == !dialog.closed.empty());
  CHECK(host.why == dialog.closed);
  REQUIRE(host.accepted.size() == dialog.messages.size());
  for (std::size_t i = 0; i < dialog.messages.size(); ++i)
    CHECK(host.accepted[i].content == dialog.messages[i]);
  if (!dialog.fields.empty()) REQUIRE(told);
  if (!dialog.fields.empty()) CHECK(host.fields == dialog.fields);
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  DIR* dir = opendir(folder.c_str());
  REQUIRE(dir != nullptr);
  while (const dirent* entry = readdir(dir)) names.emplace_back(entry->d_name);
  closedir(dir);
  std::sort(names.begin(), names.end());
  return names;
}

// The dialogs lie in rooms: one folder for each phase of a session.
std::vector<std::string> dialog_files() {
  const std::string top = POSTWAIN_SOURCE_DIR "/tests/dialogs/";
  std::vector<std::string> files;
  for (const std::string& room : names_in(top)) {
    if (room.find('.') != std::string::npos || room == "README") continue;
    std::string folder = top + room + "/";
    for (const std::string& name : names_in(folder))
      if (name.size() > 4 && name.substr(name.size() - 4) == ".txt") files.push_back(folder + name);
  }
  return files;
}

}  // namespace

TEST_CASE("dialogs", "[server][dialogs]") {
  std::vector<std::string> files = dialog_files();
  REQUIRE(files.size() >= 30);
  unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  for (const std::string& file : files) {
    INFO(file << ", seed " << seed);
    const Dialog plain = read_dialog(file);
    auto whole = [] { return std::string::npos; };
    for (const Dialog& dialog : {plain, asked(plain)}) {
      INFO((dialog.options.ask.header ? "asked all" : "asked what is necessary"));
      for (bool late : {false, true}) {
        INFO((late ? "late answers" : "answers at once"));
        {
          INFO("whole");
          run(dialog, late, whole);
        }
        {
          INFO("octet by octet");
          run(dialog, late, [] { return std::size_t{1}; });
        }
        for (int round = 0; round < 20; ++round) {
          INFO("random cuts, round " << round);
          run(dialog, late, [&] { return std::size_t{1} + random() % 40; });
        }
      }
    }
  }
}
