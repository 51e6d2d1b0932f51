// SPDX-License-Identifier: MIT
// XGBoost 1.7 or 3.0, with errors as values. booster.cpp alone includes its C header. Everything
// runs on the calling thread (nthread=1): one row is faster so, and training is reproducible to the
// bit.
#pragma once

#include "src/base/result.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace intellisched {

/// Rows of features in XGBoost's own form.
class Matrix {
  public:
    /// One without rows, for predictions on rows that stay where they are (a "proxy").
    [[nodiscard]] static Result<Matrix> proxy();

    /// Copies `values`, rows × columns, row by row; NaN is a missing value. Errors: XGBoost's own,
    /// e.g. an infinite value.
    [[nodiscard]] static Result<Matrix> create(std::span<const float> values, std::size_t rows,
                                               std::size_t columns);

    [[nodiscard]] void* handle() const { return handle_.get(); }

  private:
    struct Free {
        void operator()(void* handle) const;
    };
    std::unique_ptr<void, Free> handle_;
};

/// An ensemble of trees (or, for a baseline, a linear model) that gives one margin per class. In
/// the file its objective is named multi:softprob, which verify_model() requires; training follows
/// the caller's gradients. Not thread-safe: margins() of a row keeps a buffer, so its result is
/// valid until the next call.
class Booster {
  public:
    using Parameters = std::vector<std::pair<std::string, std::string>>;

    /// An untrained ensemble. `data` must outlive it.
    [[nodiscard]] static Result<Booster> create(const Matrix& data, const Parameters& parameters);

    /// Loads a model that verify_model() has passed: XGBoost itself does not check node indices.
    [[nodiscard]] static Result<Booster> load(std::span<const std::byte> verified_ubj,
                                              std::size_t features, std::size_t classes);

    /// Adds one round. `gradient` and `hessian`: for each row and class the first and second
    /// derivative of the loss by the margin, rows × classes. Neither is changed.
    [[nodiscard]] Result<void> boost(const Matrix& data, std::span<float> gradient,
                                     std::span<float> hessian);

    /// The model in UBJSON.
    [[nodiscard]] Result<std::string> save() const;

    /// Margins, rows × classes, of a matrix.
    [[nodiscard]] Result<std::vector<float>> margins(const Matrix& data) const;

    /// Margins by class of one row of `features` values; NaN is a missing value. The span is valid
    /// until the next call. Only after load().
    [[nodiscard]] Result<std::span<const float>> margins(std::span<const float> row) const;

    /// SHAP values of one row, classes × (features + 1), the last of each class its bias; in
    /// log-odds. Only after load().
    [[nodiscard]] Result<std::vector<float>> contributions(std::span<const float> row) const;

  private:
    struct Free {
        void operator()(void* handle) const;
    };
    std::unique_ptr<void, Free> handle_;
    std::size_t classes_ = 0;
    Matrix proxy_; // kept, because a new one reads the CPU limit of the control group
    std::unique_ptr<std::vector<float>> row_; // the row that `interface_` points to
    std::string interface_;                   // JSON array interface of *row_
};

} // namespace intellisched
