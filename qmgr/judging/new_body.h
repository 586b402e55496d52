// A body that a filter gives in place of the one that was there, while it comes in: in memory while
// it is small, else in a content file, which content threads write (content_worker.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "qmgr/judging/filter_port.h"
#include "qmgr/shared/content_access.h"

namespace postwain::qmgr {

class NewBodyWriter {
 public:
  // file: the id of the content file, should there be one. Nothing that counts has that name.
  // size_max: more than that is counted and not kept.
  NewBodyWriter(ContentAccess& content, mail::QueueId file, std::uint64_t size_max)
      : content_(content), size_max_(size_max) {
    body_.file = file;
  }
  ~NewBodyWriter();
  NewBodyWriter(const NewBodyWriter&) = delete;
  NewBodyWriter& operator=(const NewBodyWriter&) = delete;

  // True: it is put away. False: done is called when it is; not after this object has gone.
  bool add(std::string_view octets, std::function<void()> done);
  bool too_large() const { return body_.size > size_max_; }
  // All of it has come. Nothing: it could not be put away. Perhaps at once; not after this object
  // has gone.
  void finish(std::function<void(std::optional<NewBody>)> done);

 private:
  struct File;
  void write(std::string octets, std::function<void()> done);

  ContentAccess& content_;
  std::uint64_t size_max_;
  NewBody body_;
  std::shared_ptr<File> file_;  // of the content threads, from the first write on
  std::shared_ptr<bool> lives_ = std::make_shared<bool>(true);
};

}  // namespace postwain::qmgr
