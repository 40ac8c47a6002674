import Apollo
import ApolloAPI

/// A campaign's five rates and a page of its messages, as they become.
public actor CampaignWatch {
  public typealias Page = ReportsAPI.CampaignPageQuery.Data.Campaign

  private let client: ReportsClient
  private let query: ReportsAPI.CampaignPageQuery
  /// Where MessagesLive goes on from.
  private var cursor: String?
  /// The messages of the page.
  private var shown: Set<ReportsAPI.ID> = []

  public init(_ client: ReportsClient, campaign: String) {
    self.client = client
    query = ReportsAPI.CampaignPageQuery(id: campaign, first: 20, after: nil)
  }

  /// Tells of the page, and again whenever something in it has changed, until its task is cancelled.
  ///
  /// Subscriptions write what they bring into the cache, and what is shown comes out of the cache alone.
  ///
  /// - Throws: `Ending`, where another try would only repeat it.
  public func run(show: @escaping @Sendable (Page) -> Void) async throws {
    // Query, then subscribe from its cursor: nothing that happens in between is missed.
    try await fetch()

    let watcher = await client.apollo.watch(query: query, cachePolicy: .cacheOnly) { result in
      if let page = try? result.get().data?.campaign { show(page) }
    }
    defer { watcher.cancel() }

    while true {
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await self.followFigures() }
        group.addTask { try await self.followMessages() }
        // By an error each of them ends both; without one only the messages end, by `resync`.
        try await group.next()
        group.cancelAll()
      }
      // What changed since is no longer kept, or the server's database was restored (another epoch, of which an old
      // cursor says nothing): read the page anew. Nothing is subscribed to meanwhile: an answer that is older than an
      // event would come on top of it.
      try await fetch()
    }
  }

  /// Its first event is the campaign as it is: so it needs no cursor.
  private func followFigures() async throws {
    let id = query.id
    try await follow({ ReportsAPI.FiguresLiveSubscription(id: id) }, intoCache: true) { _ in true }
  }

  /// Until the page has to be read anew.
  private func followMessages() async throws {
    let id = query.id
    try await follow(
      { ReportsAPI.MessagesLiveSubscription(id: id, after: self.cursor.map { .some($0) } ?? .none) }, intoCache: false
    ) { data in
      let update = data.messagesUpdated
      if update.resync { return false }
      // In this order: after a crash in between, the messages come again, and replace themselves.
      try await self.keep(update.messages.map(\.fragments.row))
      self.cursor = update.cursor
      return true
    }
  }

  /// Writes those that are shown into the cache, and the watched query hears of that.
  ///
  /// Not the others: Apollo's cache in memory lets go of nothing by itself, and a campaign may have a million messages.
  private func keep(_ rows: [ReportsAPI.Row]) async throws {
    let rows = rows.filter { shown.contains($0.id) }
    guard !rows.isEmpty else { return }
    try await client.apollo.store.withinReadWriteTransaction { cache in
      for row in rows {
        // By what cache.graphqls says of a message.
        try await cache.write(selectionSet: row, withKey: "Message:\(row.id)")
      }
    }
  }

  /// A subscription that begins anew after each loss of connection, without end, until its task is cancelled.
  ///
  /// `next` is asked each time: so its variables are those of now, above all the cursor. `intoCache`: Apollo writes what
  /// it brings into the cache. `take` says whether to go on.
  private func follow<S: GraphQLSubscription>(
    _ next: () -> S, intoCache: Bool, take: (S.Data) async throws -> Bool
  ) async throws {
    var tries = 0
    while true {
      var told: Ending?
      do {
        try await client.showKey()
        let events = try await client.apollo.subscribe(
          subscription: next(),
          cachePolicy: .networkOnly,
          requestConfiguration: RequestConfiguration(writeResultsToCache: intoCache))
        for try await response in events {
          guard let data = response.data else {
            told = .refused(response.errors?.map(\.code) ?? [])
            break
          }
          tries = 0
          guard try await take(data) else { return }
        }
      } catch {
        told = client.ending(ofSubscription: error)
      }
      // One that tells nothing was ended by the server: Apollo takes a socket that is closed for the end of all.
      let ending = told ?? client.ending(ofSubscription: nil)
      try Task.checkCancellation()
      if ending.isOver(after: tries) { throw ending }
      try await Task.sleep(for: pause(after: tries))
      tries += 1
    }
  }

  /// From the network, and into the cache; as often as it takes.
  private func fetch() async throws {
    var tries = 0
    while true {
      let ending: Ending
      do {
        let response = try await client.apollo.fetch(query: query, cachePolicy: .networkOnly)
        if let page = response.data?.campaign {
          cursor = page.updatesCursor
          shown = Set(page.messages.nodes.map(\.fragments.row.id))
          return
        }
        // Null without an error: there is no such campaign.
        ending = .refused(response.errors?.map(\.code) ?? ["NOT_FOUND"])
      } catch {
        ending = client.ending(ofRequest: error)
      }
      try Task.checkCancellation()
      if ending.isOver(after: tries) { throw ending }
      try await Task.sleep(for: pause(after: tries))
      tries += 1
    }
  }
}
