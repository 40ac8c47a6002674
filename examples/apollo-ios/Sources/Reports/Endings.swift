import Foundation

/// What to do after a subscription has ended.
public enum Then: Sendable {
  /// Subscribe again, a little later each time.
  case comeBack
  /// Subscribe once more, with the key that is good now.
  case onceMore
  /// Another try would only repeat it: tell the user, or mend the app.
  case never
}

/// The codes with which the server ends a websocket; any other end is a lost connection.
public enum Goodbye: Int, Sendable {
  case serverStops = 1012
  case noRoom = 1013
  case noMessageOfTheProtocol = 4400
  case subscribedBeforeAck = 4401
  case key = 4403
  case otherSubprotocol = 4406
  case noSignOfLife = 4408
  case idInUse = 4409
  case secondInit = 4429

  public var then: Then {
    switch self {
    case .serverStops, .noRoom, .noSignOfLife: .comeBack
    case .key: .onceMore
    case .noMessageOfTheProtocol, .subscribedBeforeAck, .otherSubprotocol, .idInUse, .secondInit: .never
    }
  }
}

/// Why a subscription, or a query, has ended.
public enum Ending: Error, Sendable {
  /// The connection is lost, or was closed with this code.
  case lost(code: Int?)
  /// By HTTP it was answered with this status.
  case status(Int)
  /// The server answered with errors of these codes (`extensions.code`).
  case refused([String])

  /// Codes of errors that pass by themselves.
  static let passes: Set<String> = [
    "INTERNAL_ERROR", "RATE_LIMITED", "TIMEOUT", "TOO_MANY_CONNECTIONS", "TOO_MANY_OPERATIONS", "UNAVAILABLE",
  ]

  /// Answers by HTTP that another try would only repeat.
  static let mistakes: Set<Int> = [400, 403, 404, 405, 413]

  public var then: Then {
    switch self {
    case .lost(let code): code.flatMap(Goodbye.init)?.then ?? .comeBack
    case .status(401): .onceMore
    case .status(let status): Self.mistakes.contains(status) ? .never : .comeBack
    case .refused(let codes): codes.allSatisfy(Self.passes.contains) ? .comeBack : .never
    }
  }

  /// Whether to try again, when so many tries in a row have brought nothing.
  func isOver(after tries: Int) -> Bool {
    then == .never || (then == .onceMore && tries > 0)
  }
}

/// 1 s, 2 s, 4 s ... 30 s, of which half is by chance: else all apps would come back at once.
func pause(after tries: Int) -> Duration {
  .milliseconds(Int(min(1000 * pow(2, Double(tries)), 30_000) * Double.random(in: 0.5..<1)))
}
