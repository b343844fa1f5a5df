// What goes on beside requests: copies for trials, the ends of streams. Internal.
#pragma once

#include <boost/intrusive/list.hpp>
#include <functional>
#include <utility>

namespace tandem::gateway {

// Each has a Work for as long as it lasts, so that a shutdown need not wait for engines on nobody's behalf. One thread.
class Aside {
 public:
  class Work : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
   public:
    // `end` makes it end soon; it is called once at most, at once where all has been ended.
    Work(Aside& aside, std::function<void()> end) : end_(std::move(end)) {
      if (aside.is_ended_)
        end_();
      else
        aside.works_.push_back(*this);
    }

   private:
    friend class Aside;
    std::function<void()> end_;
  };

  void end() {
    is_ended_ = true;
    while (!works_.empty()) {
      Work& work = works_.front();
      works_.pop_front();
      work.end_();
    }
  }

 private:
  boost::intrusive::list<Work, boost::intrusive::constant_time_size<false>> works_;
  bool is_ended_ = false;
};

}  // namespace tandem::gateway
