// SPDX-License-Identifier: GPL-2.0-only
// What a cache has of the working sets of those who use it, in kB.
#pragma once

#include <algorithm>

namespace sim {

/// A cache that makes room by dropping what was not used for longest: of those who do not run, the
/// one that left first loses first. Who runs loses nothing, so that the parts of those who run
/// together may be more than the size.
class Cache {
  public:
    /// Of one working set. Has to be drop()ped before it goes.
    class Part {
      public:
        [[nodiscard]] double kb() const { return kb_; }

      private:
        friend Cache;
        double kb_ = 0;
        Cache* cache_ = nullptr;
        bool waits_ = false; // among those who do not run
        Part *earlier_ = nullptr, *later_ = nullptr;
    };

    explicit Cache(double size_kb) : size_(size_kb) {}

    /// Its owner runs here from now on. What it had in another cache is forgotten.
    void enter(Part& part) {
        if (part.cache_ != this) drop(part);
        part.cache_ = this;
        if (part.waits_) unlink(part);
    }
    /// While its owner runs.
    void fetch(Part& part, double kb) {
        part.kb_ += kb;
        held_ += kb;
        while (held_ > size_ && first_ != nullptr) {
            const double lost = std::min(first_->kb_, held_ - size_);
            first_->kb_ -= lost;
            held_ -= lost;
            if (held_ > size_ || first_->kb_ <= 0) unlink(*first_);
        }
    }
    /// Its owner does not run any more.
    void leave(Part& part) {
        part.waits_ = true;
        part.earlier_ = last_;
        (last_ != nullptr ? last_->later_ : first_) = &part;
        last_ = &part;
    }
    static void drop(Part& part) {
        if (part.cache_ != nullptr) {
            if (part.waits_) part.cache_->unlink(part);
            part.cache_->held_ -= part.kb_;
        }
        part = {};
    }

  private:
    void unlink(Part& part) {
        (part.earlier_ != nullptr ? part.earlier_->later_ : first_) = part.later_;
        (part.later_ != nullptr ? part.later_->earlier_ : last_) = part.earlier_;
        part.earlier_ = part.later_ = nullptr;
        part.waits_ = false;
    }

    double size_;
    double held_ = 0;
    Part *first_ = nullptr, *last_ = nullptr; ///< of those who do not run, by when they left
};

} // namespace sim
